use bytes::Bytes;
use serde_json::Value;
use wharf_content::{Error, ErrorKind, ImageConfig};

use crate::json::{Json, Object};

/// The config of an image as a document that can be edited: unknown members and the order of members stay, and
/// without an edit the bytes are the same.
///
/// A path names a member by the keys from the outermost object, such as `["config", "Labels"]`.
///
/// ```
/// use serde_json::json;
/// use wharf_image::{ConfigDocument, Member};
///
/// let bytes = br#"{"os":"linux","x-vendor":{"b":1,"a":2.50},"architecture":"amd64","config":{"Cmd":null}}"#;
/// let mut config = ConfigDocument::parse(bytes.as_slice().into())?;
/// assert_eq!(config.member(&["config", "Cmd"]), Member::Null);
/// assert_eq!(config.member(&["config", "Env"]), Member::Absent);
/// config.set(&["config", "User"], &json!("1000"))?;
/// assert_eq!(
///     config.bytes(),
///     r#"{"os":"linux","x-vendor":{"b":1,"a":2.50},"architecture":"amd64","config":{"Cmd":null,"User":"1000"}}"#
/// );
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConfigDocument {
    /// The bytes of the document as it is now.
    bytes: Bytes,
    root: Object,
}

/// A member of a [`ConfigDocument`]. Absent, null and empty are told apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// There is no such member.
    Absent,
    /// The member is null.
    Null,
    /// The value of the member, possibly empty.
    Value(Value),
}

impl ConfigDocument {
    /// Parses a config.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no config of an image ([`ImageConfig::parse`]), [`ErrorKind::Ambiguous`] if a
    /// key occurs twice in an object, or keys of the config differ in case alone, [`ErrorKind::TooLarge`] with more
    /// than [`MAX_CONFIG_SIZE`](wharf_content::MAX_CONFIG_SIZE) bytes or 200,000 values.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        ImageConfig::parse(bytes.clone())?;
        let Json::Object(root) = Json::parse(&bytes)? else {
            return Err(Error::new(ErrorKind::Invalid, "the config is no object"));
        };
        let nested = ["config", "rootfs"].map(|key| root.get(key).and_then(Json::as_object));
        let history = root.get("history").and_then(Json::as_list).unwrap_or_default();
        let entries = history.iter().filter_map(Json::as_object);
        for object in nested.into_iter().flatten().chain(entries).chain([&root]) {
            object.check_case()?;
        }
        Ok(Self { bytes, root })
    }

    /// The bytes: those that were parsed if nothing was edited, otherwise the document without whitespace.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The member at a path.
    #[must_use]
    pub fn member(&self, path: &[&str]) -> Member {
        match self.find(path) {
            None => Member::Absent,
            Some(value) if value.is_null() => Member::Null,
            // The text was checked to be JSON; a number beyond the range of a double has no value.
            Some(value) => serde_json::from_slice(&value.to_bytes()).map_or(Member::Null, Member::Value),
        }
    }

    /// Sets the member at a path: in its position if it is there, otherwise at the end of its object. Objects on the
    /// way that are absent or null are made. A member that has the value already is not changed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the path is empty or leads through a value that is no object, or the result is no
    /// config of an image; [`ErrorKind::TooLarge`] if the result is larger than [`MAX_CONFIG_SIZE`](wharf_content::MAX_CONFIG_SIZE). The document is
    /// then not changed.
    pub fn set(&mut self, path: &[&str], value: &Value) -> Result<(), Error> {
        let same = match self.member(path) {
            Member::Absent => false,
            Member::Null => value.is_null(),
            Member::Value(present) => present == *value,
        };
        if same {
            return Ok(());
        }
        let Some((key, way)) = path.split_last() else {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a path to a member of the config is empty",
            ));
        };
        let mut root = self.root.clone();
        let mut object = &mut root;
        for step in way {
            object = object.descend(step)?;
        }
        object.set(key, Json::parse(value.to_string().as_bytes())?);
        self.replace(root)
    }

    /// Removes the member at a path; `false` if it was absent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the result is no config of an image. The document is then not changed.
    pub fn remove(&mut self, path: &[&str]) -> Result<bool, Error> {
        let Some((key, way)) = path.split_last() else {
            return Ok(false);
        };
        let mut root = self.root.clone();
        let mut object = Some(&mut root);
        for step in way {
            object = object
                .and_then(|object| object.get_mut(step))
                .and_then(Json::as_object_mut);
        }
        if !object.is_some_and(|object| object.remove(key)) {
            return Ok(false);
        }
        self.replace(root)?;
        Ok(true)
    }

    /// The members that are parsed.
    ///
    /// # Errors
    ///
    /// None for a document that was parsed and edited here: it was checked.
    pub fn config(&self) -> Result<ImageConfig, Error> {
        ImageConfig::parse(self.bytes.clone())
    }

    pub(crate) const fn root(&self) -> &Object {
        &self.root
    }

    fn find(&self, path: &[&str]) -> Option<&Json> {
        let (key, way) = path.split_last()?;
        let mut object = &self.root;
        for step in way {
            object = object.get(step)?.as_object()?;
        }
        object.get(key)
    }

    /// Puts an edited tree in the place of the document.
    pub(crate) fn replace(&mut self, root: Object) -> Result<(), Error> {
        *self = Self::parse(Json::Object(root).to_bytes().into())?;
        Ok(())
    }
}
