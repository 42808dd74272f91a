//! Objects of which every member is known and there once.

use crate::{
    document::quoted,
    json::{Member, Problem, Value},
};

/// The members of an object, no two of the same name.
pub(super) fn members<'a>(value: Value<'a>, what: &str) -> Result<Vec<Member<'a>>, Problem> {
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

    /// A string that may be absent.
    pub(super) fn optional_string(&mut self, key: &str) -> Result<Option<String>, Problem> {
        self.optional(key).map(|value| string(value, key)).transpose()
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
