//! The main job in one program, without a network: starts a registry with a login, builds a small image, logs in,
//! pushes, lists tags, pulls into a store, verifies it, and unpacks it.
//!
//!     cargo run --release --example quickstart

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use wharf::{Client, ImageBuilder, Platform, config::Locations, layer::tar::of_files, store::Layout};
use wharf_registry::Registry;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?; // a host of its own, so that nothing of yours is read or written

    let server = Registry::memory()
        .with_basic("ada", "correct horse")
        .serve()
        .await?;
    let registry = server.registry();
    println!(" 1. started a registry at {registry}");

    let image = ImageBuilder::for_platform(Platform::host())
        .with_tar(of_files([("etc/motd", "welcome aboard\n")])?)
        .with_tar(of_files([("srv/hello.txt", "hello, world\n")])?)
        .with_cmd(["cat", "/srv/hello.txt"])
        .build()?;
    println!(" 2. built an image of two layers, {}", image.digest());

    let host = Locations::rooted(home.path()).with_auth_file(home.path().join("auth.json"));
    let builder = Client::builder().with_locations(host);
    let client = builder.with_plain_http(&registry).build()?;
    match client.login(&registry, "ada", "wrong").await {
        Err(denied) => println!(" 3. a wrong password is refused: {denied}"),
        Ok(_) => anyhow::bail!("a wrong password was taken"),
    }
    let stored = client.login(&registry, "ada", "correct horse").await?;
    println!(" 4. logged in, credentials in {}", stored.entry);

    let reference = server.reference("team/hello:1.0")?;
    let pushed = client.push_image(&image, &reference).await?;
    println!(" 5. pushed {reference}, {} bytes", pushed.report().bytes_copied());
    println!(
        " 6. the repository has the tags {:?}",
        client.tags(&reference).await?
    );

    let store = Layout::create(home.path().join("images")).await?;
    let pulled = client.pull(&reference, &store).await?;
    anyhow::ensure!(pulled.digest() == image.digest(), "another image was pulled");
    println!(" 7. pulled into an OCI image layout as {}", pulled.name());
    let checked = store.check().await?; // reads and hashes every byte
    anyhow::ensure!(checked.is_clean(), "the store is damaged: {:?}", checked.problems);
    println!(" 8. verified {} bytes in {} blobs", checked.bytes, checked.blobs);
    let again = client.pull(&reference, &store).await?;
    println!(" 9. pulled again: {} bytes moved", again.report().bytes_copied());

    #[cfg(target_os = "linux")]
    {
        use wharf::{
            image::UnpackOptions,
            layer::{ApplyOptions, Ownership},
        };
        let root = home.path().join("rootfs");
        let apply = ApplyOptions::default().with_ownership(Ownership::Current);
        let options = UnpackOptions::default().with_apply(apply);
        client.unpack_with(&reference, &root, options).await?;
        let hello = std::fs::read_to_string(root.join("srv/hello.txt"))?;
        println!("10. unpacked it; srv/hello.txt says {:?}", hello.trim_end());
    }

    client.logout(&registry).await?;
    println!("11. logged out");
    Ok(())
}
