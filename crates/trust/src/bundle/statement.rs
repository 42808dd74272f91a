//! Statements of in-toto: what an envelope says about which content.

use crate::{
    json::{Object, Value},
    problem::{Problem, quoted},
};

/// The type of an envelope's payload that is a statement.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const TYPES: &[&str] = &[
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];
/// The most subjects of a statement.
const MAX_SUBJECTS: usize = 1024;
/// The most digests of a subject of a statement.
const MAX_DIGESTS: usize = 32;

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) predicate_type: String,
    /// The digests of each subject: the name of the hash, and hexadecimal digits.
    subjects: Vec<Vec<(String, String)>>,
}

impl Statement {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Problem> {
        let mut statement = Object::parse(payload, super::document::MAX_SIZE, "the statement")?;
        let kind = statement.string("_type")?;
        if !TYPES.contains(&kind.as_str()) {
            return Err(Problem::new(format!(
                "a statement of the type {} is not supported",
                quoted(&kind)
            )));
        }
        let predicate_type = statement.string("predicateType")?;
        let subjects = match statement.required("subject")? {
            Value::List(subjects) if subjects.len() <= MAX_SUBJECTS => subjects,
            Value::List(_) => {
                return Err(statement
                    .wrong(&format!("has more than {MAX_SUBJECTS} subjects"))
                    .into());
            }
            _ => return Err(statement.wrong("has a member `subject` that is no list").into()),
        };
        let subjects: Result<_, _> = subjects.into_iter().map(digests).collect();
        Ok(Self {
            predicate_type,
            subjects: subjects?,
        })
    }

    /// Whether a subject has one of these digests.
    pub(super) fn is_about(&self, wanted: &[(&str, String)]) -> bool {
        self.subjects.iter().flatten().any(|(name, value)| {
            wanted
                .iter()
                .any(|(wanted, digest)| name == wanted && value == digest)
        })
    }
}

fn digests(subject: Value) -> Result<Vec<(String, String)>, Problem> {
    let mut subject = subject.into_object("a subject")?;
    let members = match subject.required("digest")? {
        Value::Object(members) if members.len() <= MAX_DIGESTS => members,
        _ => {
            return Err(subject
                .wrong("has a member `digest` that is no object of a few digests")
                .into());
        }
    };
    let digests = members.into_iter().map(|(name, value)| match value {
        Value::String(value) => Ok((name, value)),
        _ => Err(Problem::new("a digest of a subject is no string")),
    });
    digests.collect()
}
