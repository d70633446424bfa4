//! The `CertCache` table: certificates changed while the program runs.

use std::sync::{Arc, OnceLock};

use mlua::{Error, Lua, LuaString, Result, Table, Value};
use tidegate_exec::function;

use crate::arg::{bad_argument, error, message};
use crate::env::Env;
use crate::row::{Row, methods, row};

/// Where certificates are changed: whoever does it for the runtime API too.
pub trait Certificates: Send + Sync {
    /// Changes a certificate and has handshakes made with it from then on.
    ///
    /// # Errors
    /// There is no such certificate, or the parts are of no use; nothing is changed then.
    fn set(&self, change: &CertificateChange) -> std::result::Result<(), String>;
}

/// What is to become of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChange {
    /// The name by which it was loaded.
    pub file: String,
    /// Its parts by what the names of their files end in (nothing, `.key`, `.ocsp`, `.issuer`, `.sctl`), and what they
    /// are to be.
    pub parts: Vec<(&'static str, Vec<u8>)>,
}

/// The certificates, once they are known.
#[derive(Clone, Default)]
pub struct Cache(Arc<OnceLock<Arc<dyn Certificates>>>);

impl Cache {
    /// They are known from here on. Said twice, the first counts.
    pub fn open(&self, certificates: Arc<dyn Certificates>) {
        let _ = self.0.set(certificates);
    }
}

pub(crate) const ROWS: &[Row] = &[row(
    "set(certificate)",
    "changes the certificate that was loaded as `filename`: `crt`, `key`, `ocsp`, `issuer` and `sctl` as far as they are given",
    |lua, name, env| {
        let env = Arc::clone(env);
        function(lua, name, move |_, fields: Table| {
            let change = change(&fields)?;
            let known = env.settings.certificates.0.get();
            let certificates = known.ok_or_else(|| {
                error(
                    "set",
                    "the certificates are not known before init functions run (core.register_init)",
                )
            })?;
            certificates.set(&change).map_err(|why| error("set", why))
        })
    },
)];

/// The parts by the names of their fields.
const PARTS: [(&str, &str); 5] = [
    ("crt", ""),
    ("key", ".key"),
    ("issuer", ".issuer"),
    ("ocsp", ".ocsp"),
    ("sctl", ".sctl"),
];

/// Makes the table.
pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    lua.globals().raw_set("CertCache", methods(lua, env, ROWS)?)
}

fn change(fields: &Table) -> Result<CertificateChange> {
    let mut file = None;
    let mut parts = Vec::new();
    for field in fields.pairs::<Value, Value>() {
        let (Value::String(name), Value::String(value)) = field? else {
            return Err(bad_argument(1, "set", "a table of texts by their names expected"));
        };
        let name = message(&name.as_bytes());
        match PARTS.into_iter().find(|(known, _)| *known == name) {
            Some((_, end)) => parts.push((end, value.as_bytes().to_vec())),
            None if name == "filename" => file = Some(text(&value)?),
            None => {
                let known = PARTS.map(|(known, _)| known).join("`, `");
                let why = format!("unknown field `{name}`: `filename`, `{known}` are known");
                return Err(bad_argument(1, "set", &why));
            }
        }
    }
    let file = file.ok_or_else(|| bad_argument(1, "set", "the field `filename` is missing"))?;
    // What a part may bring along (a certificate its key) comes before what replaces it.
    parts.sort_by_key(|(end, _)| PARTS.iter().position(|(_, known)| known == end));
    match parts.is_empty() {
        true => Err(bad_argument(1, "set", "nothing to be set")),
        false => Ok(CertificateChange { file, parts }),
    }
}

fn text(value: &LuaString) -> Result<String> {
    let text = value
        .to_str()
        .map_err(|_| Error::runtime("set: the file's name is no text"))?;
    Ok(text.to_owned())
}
