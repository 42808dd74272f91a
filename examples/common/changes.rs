//! Changes of an image on its way, with Skopeo's flags.

use clap::{ArgAction, Args};
use wharf::{
    Error, Options, Platform, Selection,
    image::{Codec, Format, Layers, Level, Recipe, Report},
};

/// How to change the image.
#[derive(Args)]
pub(crate) struct Changes {
    /// Convert manifests, configs and layers to the media types of a format
    #[arg(short, long, value_name = "oci|v2s2", value_parser = format, conflicts_with = "preserve_digests")]
    format: Option<Format>,
    /// Compress layers that are not compressed, with gzip
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", conflicts_with = "dest_decompress")]
    dest_compress: Option<bool>,
    /// Unpack layers that are compressed
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", conflicts_with = "dest_compress_format")]
    dest_decompress: Option<bool>,
    /// Compress layers so; those that are compressed so already keep their bytes
    #[arg(long, value_name = "gzip|zstd", value_parser = codec)]
    dest_compress_format: Option<Codec>,
    /// How hard to compress: 1 to 9 for gzip, 1 to 20 for zstd
    #[arg(long, value_name = "LEVEL", requires = "dest_compress_format")]
    dest_compress_level: Option<u8>,
    /// Compress layers anew that are compressed so already
    #[arg(long, requires = "dest_compress_format")]
    dest_force_compress_format: bool,
    /// Fail rather than change a digest
    #[arg(long)]
    preserve_digests: bool,
    /// The images of an index to copy: `system`, `all`, `index-only`, or platforms with commas between, of which the index stays whole
    #[arg(long, value_name = "WHICH", conflicts_with_all = ["platform", "all"])]
    multi_arch: Option<MultiArch>,
    /// Shorten the index to the platforms that are copied
    #[arg(long, requires = "multi_arch")]
    strip_removed_platforms: bool,
}

/// A format by Skopeo's name.
fn format(text: &str) -> Result<Format, String> {
    match text {
        "oci" => Ok(Format::Oci),
        "v2s2" => Ok(Format::Docker),
        "v2s1" => Err("Docker's schema 1 is not written; use oci or v2s2".to_owned()),
        _ => Err("use oci or v2s2".to_owned()),
    }
}

/// A codec by Skopeo's name.
pub(crate) fn codec(text: &str) -> Result<Codec, String> {
    match text {
        "gzip" => Ok(Codec::Gzip),
        "zstd" => Ok(Codec::Zstd),
        "zstd:chunked" => Err("zstd:chunked is read and copied, but not written; use zstd".to_owned()),
        _ => Err("use gzip or zstd".to_owned()),
    }
}

/// The value of `--multi-arch`.
#[derive(Clone)]
enum MultiArch {
    System,
    All,
    IndexOnly,
    Platforms(Vec<Platform>),
}

impl std::str::FromStr for MultiArch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "system" => Ok(Self::System),
            "all" => Ok(Self::All),
            "index-only" => Ok(Self::IndexOnly),
            platforms => {
                let platforms = platforms.split(',').map(|one| one.trim().parse::<Platform>());
                let platforms = platforms.collect::<Result<_, _>>();
                platforms.map(Self::Platforms).map_err(|error| error.to_string())
            }
        }
    }
}

impl Changes {
    /// True if no digest may change.
    pub(crate) const fn preserves(&self) -> bool {
        self.preserve_digests
    }

    /// The recipe for the flags; `None` if nothing is to be changed.
    pub(crate) fn recipe(&self) -> Result<Option<Recipe>, Error> {
        let mut recipe = Recipe::new().preserve(self.preserve_digests);
        if let Some(format) = self.format {
            recipe = recipe.format(format);
        }
        if let Some(codec) = self.dest_compress_format {
            let level = match self.dest_compress_level {
                Some(number) => Level::new(codec, number)?,
                None => Level::default_of(codec),
            };
            let force = self.dest_force_compress_format;
            recipe = recipe.layers(Layers::Exactly { level, force });
        } else if self.dest_decompress == Some(true) {
            recipe = recipe.layers(Layers::Plain);
        } else if self.dest_compress == Some(true) {
            recipe = recipe.layers(Layers::Compressed);
        }
        if let (Some(MultiArch::Platforms(platforms)), true) =
            (&self.multi_arch, self.strip_removed_platforms)
        {
            recipe = recipe.platforms(platforms.clone());
        }
        Ok(recipe.changes().then_some(recipe))
    }

    /// The options with the images that are to be copied.
    pub(crate) fn apply(&self, options: Options) -> Options {
        match &self.multi_arch {
            None => options,
            Some(MultiArch::System) => options.with_selection(Selection::default()),
            Some(MultiArch::All) => options.with_selection(Selection::All),
            Some(MultiArch::IndexOnly) => options.with_selection(Selection::IndexOnly),
            Some(MultiArch::Platforms(_)) if self.strip_removed_platforms => {
                options.with_selection(Selection::All)
            }
            Some(MultiArch::Platforms(platforms)) => {
                options.with_selection(Selection::Platforms(platforms.clone()))
            }
        }
    }
}

/// The facts about a change that the user should know, in sentences.
pub(crate) fn remarks(report: &Report) -> Vec<String> {
    const SHOWN: usize = 10;
    let mut remarks: Vec<String> = report.warnings().to_vec();
    let losses = report.losses();
    remarks.extend(losses.iter().take(SHOWN).map(|loss| format!("lost: {loss}")));
    if losses.len() > SHOWN {
        remarks.push(format!("lost: {} more", losses.len() - SHOWN));
    }
    match report.dropped_referrers() {
        None | Some(0) => {}
        Some(count) => remarks.push(format!(
            "the changed image has none of the {count} signatures, attestations and other referrers of the original"
        )),
    }
    remarks
}
