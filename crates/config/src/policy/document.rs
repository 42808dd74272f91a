//! The file as a whole, and objects of which every member is known and there once.

use std::collections::BTreeMap;

use super::{Policy, Rules, requirement::Requirement, scope};
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

/// The members of an object, no two of the same name.
fn members<'a>(value: Value<'a>, what: &str) -> Result<Vec<Member<'a>>, Problem> {
    let Some(members) = value.object(what)? else {
        return Err(value.problem(format!("expected {what} to be an object")));
    };
    let mut names: Vec<&str> = members.iter().map(|member| member.key.as_str()).collect();
    names.sort_unstable();
    let mut pairs = names.iter().zip(names.iter().skip(1));
    if let Some((twice, _)) = pairs.find(|(one, next)| one == next) {
        return Err(value.problem(format!("{} stands twice in {what}", quoted(twice))));
    }
    Ok(members)
}

/// An object whose members are taken out one by one; what is left at the end is unknown.
pub(super) struct Object<'a> {
    value: Value<'a>,
    what: &'static str,
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    pub(super) fn read(value: Value<'a>, what: &'static str) -> Result<Self, Problem> {
        let members = members(value, what)?;
        Ok(Self { value, what, members })
    }

    pub(super) fn optional(&mut self, key: &str) -> Option<Value<'a>> {
        let position = self.members.iter().position(|member| member.key == key)?;
        Some(self.members.swap_remove(position).value)
    }

    pub(super) fn required(&mut self, key: &str) -> Result<Value<'a>, Problem> {
        let value = self.optional(key);
        value.ok_or_else(|| self.problem(format!("{} has no `{key}`", self.what)))
    }

    /// A string that must be there.
    pub(super) fn string(&mut self, key: &str) -> Result<String, Problem> {
        string(self.required(key)?, key)
    }

    /// The one of these members that is there; exactly one must be.
    pub(super) fn one_of(&mut self, keys: &[&'static str]) -> Result<(&'static str, Value<'a>), Problem> {
        let one = self.at_most_one_of(keys)?;
        one.ok_or_else(|| self.problem(format!("{} has none of {}", self.what, keys.join(", "))))
    }

    /// The one of these members that is there, if one is.
    pub(super) fn at_most_one_of(
        &mut self,
        keys: &[&'static str],
    ) -> Result<Option<(&'static str, Value<'a>)>, Problem> {
        let found = keys.iter().filter_map(|key| Some((*key, self.optional(key)?)));
        let found: Vec<_> = found.collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            [(one, _), (other, value), ..] => {
                Err(value.problem(format!("{} has both `{one}` and `{other}`", self.what)))
            }
        }
    }

    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        self.value.problem(message)
    }

    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.members.first() {
            None => Ok(()),
            Some(unknown) => {
                let key = quoted(&unknown.key);
                Err(unknown
                    .value
                    .problem(format!("{} has an unknown member {key}", self.what)))
            }
        }
    }
}

pub(super) fn string(value: Value<'_>, key: &str) -> Result<String, Problem> {
    let text = value.string(&format!("`{key}`"))?;
    text.ok_or_else(|| value.problem(format!("expected `{key}` to be a string")))
}
