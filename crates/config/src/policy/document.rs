//! The file as a whole.

use std::collections::BTreeMap;

use super::{
    Policy, Rules,
    object::{Object, members},
    requirement::Requirement,
    scope,
};
use crate::{
    ConfigWarning,
    document::quoted,
    json::{Member, Problem, Value},
};

pub(super) fn read(text: &str) -> Result<Policy, Problem> {
    let root = Value::parse(text).map_err(|problem| explained(text, problem))?;
    let mut file = Object::read(root, "the policy")?;
    let default = requirements(file.required("default")?, "`default`")?;
    let mut transports = BTreeMap::new();
    let mut warnings = Vec::new();
    if let Some(value) = file.optional("transports") {
        for Member { key, value } in members(value, "`transports`")? {
            let rules = rules(&key, value, &mut warnings)?;
            transports.insert(key, rules);
        }
    }
    file.finish()?;
    Ok(Policy {
        file: None,
        default,
        transports,
        warnings,
    })
}

/// The problem of a text that is no JSON, with a message that advises on a policy if the text is empty: an
/// empty file is not taken for a policy that accepts everything.
fn explained(text: &str, problem: Problem) -> Problem {
    if !text.trim().is_empty() {
        return problem;
    }
    let message = "the file is empty, which is no policy; the least is {\"default\": [{\"type\": \"reject\"}]}, or \
                   with the type insecureAcceptAnything";
    Problem {
        message: message.to_owned(),
        ..problem
    }
}

fn rules(transport: &str, value: Value<'_>, warnings: &mut Vec<ConfigWarning>) -> Result<Rules, Problem> {
    let mut rules = BTreeMap::new();
    for Member { key, value } in members(value, "a transport")? {
        if let Some(wrong) = scope::problem(transport, &key) {
            let transport = quoted(transport);
            return Err(value.problem(format!("bad scope {} of {transport}: {wrong}", quoted(&key))));
        }
        if let Some(message) = scope::warning(transport, &key) {
            warnings.push(ConfigWarning {
                file: None,
                line: Some(value.problem(message).position.line),
                key: quoted(&key),
                table: format!("transports.{transport}"),
                message: message.to_owned(),
            });
        }
        let requirements = requirements(value, "a scope")?;
        rules.insert(key, requirements);
    }
    Ok(rules)
}

fn requirements(value: Value<'_>, what: &str) -> Result<Vec<Requirement>, Problem> {
    let elements = value.array(what)?;
    if elements.is_empty() {
        return Err(value.problem(format!("{what} lists no requirement")));
    }
    elements.into_iter().map(Requirement::read).collect()
}
