//! A Kubernetes secret as a whole where the payload in it is expected.

use crate::json::{Member, Problem, Value};

const PAYLOADS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// The problem of a file that is a secret, or a list of objects as `kubectl` prints it, in JSON.
pub(super) fn in_json(root: Value<'_>) -> Option<Problem> {
    let members = root.object("the file").ok()??;
    let named = |name: &str| members.iter().find(|member| member.key == name);
    let payload = PAYLOADS.into_iter().find(|payload| named(payload).is_some());
    if let Some(member) = payload.and_then(named) {
        return Some(member.value.problem(explain(payload)));
    }
    let kind = named("kind").and_then(|kind| kind.value.string("`kind`").ok()?);
    if !matches!(kind.as_deref(), Some("Secret" | "SecretList" | "List")) || named("apiVersion").is_none() {
        return None;
    }
    let mut data = ["data", "stringData"].into_iter().filter_map(named);
    let payload = data.find_map(payload_of);
    Some(named("kind")?.value.problem(explain(payload)))
}

/// The line, counted from 1, and the problem of a file that is a secret, or a list of objects, in YAML.
pub(super) fn in_yaml(text: &str) -> Option<(usize, String)> {
    let is_kind = |line: &str| {
        matches!(
            line.trim_end(),
            "kind: Secret" | "kind: \"Secret\"" | "kind: List"
        )
    };
    let line = text.lines().position(is_kind)?;
    let payload = PAYLOADS
        .into_iter()
        .find(|payload| text.contains(&format!("{payload}:")));
    Some((line + 1, explain(payload)))
}

/// The payload as it stands in a secret: the base64 of a JSON object, with its line.
pub(super) fn encoded(text: &str) -> Option<(usize, String)> {
    let text = text.trim();
    let is_base64 = |char: char| char.is_ascii_alphanumeric() || "+/=\r\n".contains(char);
    let begins_object = ["ey", "ew"].iter().any(|start| text.starts_with(start));
    let message = "the file is base64, as the payload of a Kubernetes secret is; decode it and use that";
    (begins_object && text.chars().all(is_base64)).then(|| (1, message.to_owned()))
}

fn payload_of(data: &Member<'_>) -> Option<&'static str> {
    let members = data.value.object("`data`").ok()??;
    let holds = |payload: &&str| members.iter().any(|member| member.key == *payload);
    PAYLOADS.into_iter().find(holds)
}

fn explain(payload: Option<&str>) -> String {
    match payload {
        Some(".dockercfg") => {
            "this is a Kubernetes secret, not a file of credentials; decode the base64 of its \
             `.dockercfg` and write that as the value of `auths`"
                .to_owned()
        }
        payload => format!(
            "this is a Kubernetes secret, not a file of credentials; decode the base64 of its `{}` and use that",
            payload.unwrap_or(".dockerconfigjson")
        ),
    }
}
