//! The embedded registry on a disk: how fast it moves bytes, and what it costs to hold much.
//!
//! `cargo bench --bench registry` prints both; `-- transfer` and `-- scale` one of them, `-- scale 20000` one row.
//! The largest row takes some minutes and a gigabyte of the disk for temporary files.
#![expect(
    clippy::expect_used,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that cannot be set up has nothing to say, and what it has to say is printed"
)]

mod scale;
mod transfer;

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let arguments = arguments.collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    match arguments.as_slice() {
        [] => {
            transfer::run();
            scale::run(None);
        }
        ["transfer"] => transfer::run(),
        ["scale"] => scale::run(None),
        ["scale", row] => scale::run(Some(row)),
        ["measure", root] => scale::measure(root),
        other => println!("there is no {other:?}; try transfer or scale"),
    }
}
