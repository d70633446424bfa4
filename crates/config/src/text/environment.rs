//! The environment variables that a configuration sees and sets.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Names and values of environment variables.
///
/// The loader works on a copy: `setenv`, `presetenv`, `unsetenv` and `resetenv` lines change what the lines
/// below them see, and the program applies the result to itself once the configuration is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Environment {
    /// No variable at all.
    pub fn new() -> Environment {
        Environment::default()
    }

    /// The variables of the process.
    pub fn of_process() -> Environment {
        std::env::vars_os()
            .map(|(name, value)| (name.into_encoded_bytes(), value.into_encoded_bytes()))
            .collect()
    }

    /// A variable's value.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables.get(name).map(Vec::as_slice)
    }

    /// Gives a variable a value.
    pub fn set(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &[u8]) {
        self.variables.remove(name);
    }

    /// Takes all variables away but those that `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.variables.retain(|name, _| keep(name));
    }

    /// The variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

/// What words may refer to at a line: the environment, and the line's own place.
pub(crate) struct Surroundings<'e> {
    pub(crate) environment: &'e Environment,
    /// `.FILE`
    pub(crate) file: &'e str,
    /// `.LINE`
    pub(crate) line: usize,
    /// `.SECTION`
    pub(crate) section: &'e str,
}

impl Surroundings<'_> {
    /// What a name stands for.
    pub(crate) fn value(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        match name {
            b".FILE" => Some(self.file.as_bytes().into()),
            b".LINE" => Some(self.line.to_string().into_bytes().into()),
            b".SECTION" => Some(self.section.as_bytes().into()),
            _ => self.environment.get(name).map(Cow::from),
        }
    }
}

impl<N: Into<Vec<u8>>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Environment {
        let variables = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Environment { variables }
    }
}
