//! Layers above others, merged to one.

use wharf_layer::Merged;

use super::{Case, directory, file, flat, hard_link, layer, members, merged, symlink};

/// The layers from `kept` on as one.
fn onto(layers: &[Vec<u8>], kept: usize) -> Vec<u8> {
    let mut whole = Merged::new();
    let mut base = whole.clone();
    for (index, layer) in layers.iter().enumerate() {
        if index == kept {
            base = whole.clone();
        }
        whole.add(layer.as_slice()).unwrap();
    }
    let mut out = Vec::new();
    whole
        .write_onto(&base, &mut out, |layer| Ok(layers[layer].as_slice()))
        .unwrap();
    out
}

#[test]
fn layers_above_a_base_become_one_that_hides_and_replaces() {
    let cases: &[Case<'_>] = &[
        ("nothing", &[&[file("a", "1")], &[]], &[]),
        (
            "made and removed again",
            &[&[file("a", "1")], &[file("b", "2")], &[file(".wh.b", "")]],
            &[],
        ),
        (
            "removed",
            &[&[file("d/a", "1"), file("d/b", "2")], &[file("d/.wh.a", "")]],
            &["d/", "d/.wh.a = "],
        ),
        (
            "opaque",
            &[
                &[file("d/a", "1"), file("d/b", "2")],
                &[file("d/.wh..wh..opq", ""), file("d/b", "3")],
            ],
            &["d/", "d/.wh.a = ", "d/b = 3"],
        ),
        (
            "a directory removed and made again",
            &[
                &[file("d/a", "1")],
                &[file(".wh.d", "")],
                &[directory("d"), file("d/b", "2")],
            ],
            &["d/", "d/.wh.a = ", "d/b = 2"],
        ),
        (
            "kinds",
            &[
                &[file("d/a", "1"), file("f", "2")],
                &[file("d", "3"), directory("f"), file("f/x", "4")],
            ],
            &["f/", "d = 3", "f/x = 4"],
        ),
        (
            "a new name of a file of the base",
            &[&[file("a", "1"), file("c", "2")], &[hard_link("b", "a")]],
            &["a = 1", "b == a"],
        ),
        (
            "the last name of a file of the base",
            &[&[file("a", "1")], &[hard_link("b", "a")], &[file(".wh.a", "")]],
            &[".wh.a = ", "b = 1"],
        ),
        (
            "through a symbolic link of the base",
            &[
                &[directory("usr/lib"), symlink("lib", "usr/lib")],
                &[file("lib/a", "1")],
            ],
            &["usr/", "usr/lib/", "usr/lib/a = 1"],
        ),
        (
            "a directory that is stated again",
            &[&[directory("d"), file("d/a", "1")], &[directory("d")]],
            &["d/"],
        ),
    ];
    for (name, stack, expected) in cases {
        let layers: Vec<Vec<u8>> = stack.iter().map(|members| layer(members)).collect();
        let upper = onto(&layers, 1);
        assert_eq!(members(&upper), *expected, "{name}");
        let two = [layers[0].clone(), upper];
        let (one, other) = (merged(&two), merged(&layers));
        assert_eq!(other.differences_from(&one).collect::<Vec<_>>(), [], "{name}");
        let mut sorted = [members(&flat(&two)), members(&flat(&layers))];
        for lines in &mut sorted {
            lines.sort();
        }
        assert_eq!(sorted[0], sorted[1], "{name}: contents");
    }
}

#[test]
fn all_layers_onto_nothing_are_the_whole() {
    let layers = [
        layer(&[file("d/a", "1"), file("b", "2")]),
        layer(&[file(".wh.b", "")]),
    ];
    assert!(onto(&layers, 0) == flat(&layers));
}
