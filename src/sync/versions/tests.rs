use super::*;

/// Constraints, and the tags that Skopeo copies by them.
const TRUTH: &str = include_str!("skopeo.tsv");

#[test]
fn constraints_select_the_tags_that_skopeo_copies() {
    let mut lines = TRUTH.lines().filter(|line| !line.starts_with('#'));
    let tags = lines.next().unwrap().strip_prefix("tags\t").unwrap();
    let tags: Vec<&str> = tags.split(' ').collect();
    let (mut constraints, mut cases) = (0, 0);
    for line in lines {
        let (text, expected) = line.split_once('\t').unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        let parsed = text.parse::<Versions>();
        constraints += 1;
        if expected == "error" {
            assert_eq!(parsed.unwrap_err().kind(), ErrorKind::Invalid, "{text:?}");
            continue;
        }
        let versions = parsed.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        for tag in &tags {
            let Ok(tag) = wharf_reference::Tag::parse(tag) else {
                continue;
            };
            let is_expected = expected.split(' ').any(|one| one == tag.as_str());
            assert_eq!(versions.select(&tag), is_expected, "{text:?} {tag}");
            cases += 1;
        }
    }
    assert!(constraints >= 60 && cases >= 2000, "{constraints} {cases}");
}

#[test]
fn malformed_constraints_are_explained() {
    for (text, part) in [
        ("", "an alternative is empty"),
        ("1 ||", "an alternative is empty"),
        (">=", "expected a version, found \"\""),
        ("latest", "expected a version, found \"latest\""),
        ("1.2.3.4", "unexpected \".4\""),
        ("1,", "a version is missing after the last comma"),
        ("1.2.3<2", "unexpected \"<2\""),
        ("99999999999999999999", "is no number of a version"),
        ("1.2.3-01", "is no pre-release"),
        ("1xx", "is no number of a version"),
    ] {
        let error = text.parse::<Versions>().unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let long = "1 ".repeat(300);
    let many = ["1"; 33].join("||");
    for text in [long, many] {
        assert_eq!(text.parse::<Versions>().unwrap_err().kind(), ErrorKind::Invalid);
    }
}
