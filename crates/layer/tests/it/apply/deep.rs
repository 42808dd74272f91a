//! Trees that are deep or wide.

use std::{fs, os::unix::fs::symlink as link};

use super::{Stage, WAYS, file, layer, symlink};

#[test]
fn links_lead_up_and_down_alike_however_often() {
    const DEPTH: usize = 400;
    let deep = "d/".repeat(DEPTH);
    let (down, up) = ("d/".repeat(DEPTH / 2), "../".repeat(DEPTH / 2));
    for way in WAYS {
        let stage = Stage::new(way);
        fs::create_dir_all(stage.root().join(&deep)).unwrap();
        for (target, expected) in [
            (format!("{up}{down}"), deep.clone()),
            ("../d/".repeat(DEPTH), deep.clone()),
            (format!("{}other", "../".repeat(DEPTH)), "other/".to_owned()),
            (format!("{}other", "../".repeat(DEPTH + 9)), "other/".to_owned()),
            (
                format!("/{down}{up}{down}../x"),
                format!("{}x/", "d/".repeat(DEPTH / 2 - 1)),
            ),
            (
                format!("{}d/../y", "../../d/".repeat(DEPTH / 2)),
                format!("{}y/", "d/".repeat(DEPTH / 2)),
            ),
        ] {
            let at = stage.root().join(&deep);
            link(target.trim_end_matches('/'), at.join("l")).unwrap();
            let name: &'static str = Box::leak(format!("{deep}l/new").into_boxed_str());
            stage.apply(&layer(&[file(name, "1")])).unwrap();
            let made = stage.root().join(expected).join("new");
            assert_eq!(fs::read(&made).unwrap(), b"1", "{way:?}: {target}");
            fs::remove_file(made).unwrap();
            fs::remove_file(at.join("l")).unwrap();
        }
    }
}

#[test]
fn directories_that_are_missing_are_made_where_links_lead_up_from_them() {
    for way in WAYS {
        let stage = Stage::new(way);
        let tar = layer(&[symlink("l", "a/b/../c/../../e/f/.."), file("l/new", "1")]);
        stage.apply(&tar).unwrap();
        let names = [
            "a/",
            "a/b/",
            "a/c/",
            "e/",
            "e/f/",
            "e/new = 1",
            "l -> a/b/../c/../../e/f/..",
        ];
        assert_eq!(stage.tree(), names, "{way:?}");
    }
}

/// More than are in memory at a time.
const MANY: usize = 20_000;

#[test]
fn a_directory_of_any_number_of_names_is_hidden_but_for_those_of_the_layer() {
    let stage = Stage::new(super::Way::Kernel);
    let wide = stage.root().join("wide");
    fs::create_dir(&wide).unwrap();
    for number in 0..MANY {
        fs::write(wide.join(format!("f{number}")), "").unwrap();
    }
    for number in 0..100 {
        fs::create_dir_all(wide.join(format!("d{number}/lower"))).unwrap();
    }
    let upper: Vec<_> = (0..MANY)
        .step_by(2)
        .map(|number| format!("wide/f{number}"))
        .chain((0..50).map(|number| format!("wide/d{number}/upper")))
        .map(|name| (wharf_layer::tar::Member::file(name, 0).unwrap(), &b""[..]))
        .chain([file("wide/.wh..wh..opq", "")])
        .collect();
    stage.apply(&layer(&upper)).unwrap();
    let count = |path: &std::path::Path| fs::read_dir(path).unwrap().count();
    assert_eq!(count(&wide), MANY / 2 + 50);
    for number in 0..50 {
        assert_eq!(
            count(&wide.join(format!("d{number}"))),
            1,
            "the file of the layer alone"
        );
    }
    stage.apply(&layer(&[file("wide", "1")])).unwrap();
    assert_eq!(stage.tree(), ["wide = 1"]);
}
