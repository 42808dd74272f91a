use wharf_content::{Error, ErrorKind, ImageConfig, Manifest};

/// Checks that an image has as many layers as its config lists, and as its history has, if there is any (image-spec,
/// *Image Configuration*).
pub(crate) fn check_counts(image: &Manifest, config: &ImageConfig) -> Result<(), Error> {
    let (layers, digest) = (image.layers().len(), image.digest());
    let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    let listed = config.diff_ids()?.len();
    if listed != layers {
        return invalid(format!(
            "the image {digest} has {layers} layers, but its config lists {listed} (diff_ids)"
        ));
    }
    let made = config
        .history()
        .iter()
        .filter(|entry| !entry.empty_layer())
        .count();
    if !config.history().is_empty() && made != layers {
        return invalid(format!(
            "the image {digest} has {layers} layers, but its config has the history of {made}"
        ));
    }
    Ok(())
}
