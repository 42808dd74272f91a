//! Flags of Skopeo's that these programs do not have: each is refused with the reason.

use clap::{ArgAction, Args};

/// Defines flags that are refused, with or without a value.
macro_rules! refused {
    ($(#[$docs:meta])* $name:ident { $($field:ident: $flag:literal, $reason:literal;)+ }) => {
        $(#[$docs])*
        #[derive(Args)]
        pub(crate) struct $name {$(
            #[arg(long = $flag, hide = true, action = ArgAction::Append, num_args = 0..=1,
                  default_missing_value = "true", value_parser = |_: &str| Err::<String, _>($reason))]
            $field: Vec<String>,
        )+}
    };
}

refused! {
    /// The global flags.
    Global {
        debug: "debug", "nothing is logged; errors say what failed, and where";
        override_os: "override-os", "use --platform OS/ARCH[/VARIANT]";
        override_arch: "override-arch", "use --platform OS/ARCH[/VARIANT]";
        override_variant: "override-variant", "use --platform OS/ARCH[/VARIANT]";
        tmpdir: "tmpdir", "images are not unpacked to temporary files; for an archive from a pipe, set TMPDIR";
    }
}

refused! {
    /// The flags of `copy`.
    OfCopy {
        decryption_key: "decryption-key", "encrypted layers are copied as they are, and not decrypted";
        encryption_key: "encryption-key", "layers are not encrypted";
        encrypt_layer: "encrypt-layer", "layers are not encrypted";
        sign_by_sigstore: "sign-by-sigstore", "parameter files are not read; use --sign-by-sigstore-private-key";
        sign_by_sq_fingerprint: "sign-by-sq-fingerprint", "keys of Sequoia are not used; use --sign-by";
        src_shared_blob_dir: "src-shared-blob-dir", "directories of blobs that layouts share are not supported";
        dest_shared_blob_dir: "dest-shared-blob-dir", "directories of blobs that layouts share are not supported";
    }
}

refused! {
    /// The flags of programs that read one image or repository.
    OfReaders {
        shared_blob_dir: "shared-blob-dir", "directories of blobs that layouts share are not supported";
    }
}
