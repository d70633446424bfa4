//! What the settings of servers begin with: those of `default-server` lines, and of servers that were there before.

use std::collections::BTreeMap;

use super::args::{Args, Parsed, bad_argument};
use super::server::{self, ServerSettings, check_name};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::text::Word;

/// What servers of one backend may begin with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    /// That of `default-server` lines without a name.
    pub(crate) unnamed: ServerSettings,
    /// Whether such a line has set anything.
    pub(crate) is_set: bool,
    /// Those of `default-server` lines with a name.
    pub(crate) named: BTreeMap<String, ServerSettings>,
    /// Those that servers came to.
    pub(crate) servers: BTreeMap<String, ServerSettings>,
}

/// The origins of backends that stand above, by their names.
pub(crate) type Above = BTreeMap<String, Origins>;

impl Origins {
    /// Takes in a `default-server` line.
    pub(crate) fn line(
        &mut self,
        args: &mut Args<'_>,
        above: &Above,
        diagnostics: &mut Diagnostics,
    ) -> Parsed<()> {
        let name = match args.take("name") {
            true => {
                let word = args.expect("a name")?;
                check_name(word)?;
                Some(word.text()?.to_owned())
            }
            false => None,
        };
        let own = match &name {
            Some(name) => self.named.get(name).cloned().unwrap_or_default(),
            None => self.unnamed.clone(),
        };
        let from = self.from(args, above)?;
        let is_reset = from.is_some();
        let is_more = !args.rest().is_empty();
        let mut settings = from.unwrap_or(own);
        server::parameters(&mut settings, args, diagnostics);
        match name {
            Some(name) => drop(self.named.insert(name, settings)),
            None => {
                self.unnamed = settings;
                self.is_set = is_more || self.is_set && !is_reset;
            }
        }
        Ok(())
    }

    /// `from <origin>`, if it is there.
    pub(crate) fn from(&self, args: &mut Args<'_>, above: &Above) -> Parsed<Option<ServerSettings>> {
        if !args.take("from") {
            return Ok(None);
        }
        let word = args.expect("`none`, `be:[<backend>]` or `srv:[<backend>/]<server>`")?;
        let text = word.text()?;
        if text == "none" {
            return Ok(Some(ServerSettings::default()));
        }
        if let Some(backend) = text.strip_prefix("be:") {
            return Ok(Some(self.of(backend, above, word)?.unnamed.clone()));
        }
        let Some(named) = text.strip_prefix("srv:") else {
            let message = format!("`{text}` is neither `none` nor begins with `be:` or `srv:`");
            return bad_argument(word, message);
        };
        let (backend, name) = named.split_once('/').unwrap_or(("", named));
        let origins = self.of(backend, above, word)?;
        let found = origins.servers.get(name).or_else(|| origins.named.get(name));
        let known = origins.servers.keys().chain(origins.named.keys());
        match found {
            Some(settings) => Ok(Some(settings.clone())),
            None => Err(Box::new(
                Diagnostic::error(
                    code::BAD_ARGUMENT,
                    word.span(),
                    format!("there is no server and no `default-server` of the name `{name}` above"),
                )
                .suggest(name, known.map(String::as_str)),
            )),
        }
    }

    /// Those of a backend: these, if none is named.
    fn of<'o>(&'o self, backend: &str, above: &'o Above, word: &Word) -> Parsed<&'o Origins> {
        if backend.is_empty() {
            return Ok(self);
        }
        above.get(backend).ok_or_else(|| {
            let message = format!("there is no backend `{backend}` above");
            Box::new(
                Diagnostic::error(code::UNKNOWN_BACKEND, word.span(), message)
                    .suggest(backend, above.keys().map(String::as_str)),
            )
        })
    }
}
