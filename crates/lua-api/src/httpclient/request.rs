//! A request as a script describes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use mlua::{Lua, LuaString, Result, Table, Value};
use tidegate_sample::head::{Headers, Target, names, request};

use crate::arg::{error, message, type_name};
use crate::settings::HttpClientSettings;
use crate::socket::{Address, TlsOptions};

/// How long a server may be silent when the script says nothing.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A request, ready to be sent.
pub(super) struct Request {
    pub(super) head: request::Parts,
    pub(super) body: Option<Bytes>,
    pub(super) address: Address,
    pub(super) tls: Option<TlsOptions>,
    pub(super) timeout: Duration,
    pub(super) stream: bool,
    /// What connections are kept by.
    pub(super) kept_by: String,
    pub(super) settings: Arc<HttpClientSettings>,
}

impl Request {
    /// Reads a script's table.
    ///
    /// # Errors
    /// What is wrong in it.
    pub(super) fn of(
        lua: &Lua,
        method: &[u8],
        fields: &Table,
        settings: &Arc<HttpClientSettings>,
    ) -> Result<Request> {
        let name = message(method).to_lowercase();
        let wrong = |why: String| error(&name, why);
        for pair in fields.pairs::<Value, Value>() {
            let (key, _) = pair?;
            let known = match &key {
                Value::String(key) => matches!(
                    &*key.as_bytes(),
                    b"url" | b"headers" | b"body" | b"dst" | b"timeout" | b"tls" | b"stream" | b"method"
                ),
                _ => false,
            };
            if !known {
                let key = lua.coerce_string(key)?;
                let key = key.map_or_else(String::new, |key| message(&key.as_bytes()));
                return Err(wrong(format!("'{key}' invalid parameter name")));
            }
        }
        let method = match method {
            b"REQUEST" => {
                let wanted = fields.raw_get::<Option<LuaString>>("method")?;
                let wanted = wanted.ok_or_else(|| wrong("'method' field is missing".to_owned()))?;
                Method::from_bytes(&wanted.as_bytes())
            }
            own => Method::from_bytes(own),
        };
        let method = method.map_err(|_| wrong("invalid method".to_owned()))?;
        let Some(url) = fields.raw_get::<Option<LuaString>>("url")? else {
            return Err(wrong("'url' field is missing".to_owned()));
        };
        let url = message(&url.as_bytes());
        let bad_url = || wrong(format!("invalid url '{url}'"));
        let uri: Uri = url.parse().map_err(|_| bad_url())?;
        let (is_tls, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(bad_url()),
        };
        let host = uri
            .host()
            .ok_or_else(bad_url)?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = uri.port_u16().unwrap_or(port);
        let address = match fields.raw_get::<Option<LuaString>>("dst")? {
            None => Address::parse(&host, Some(port.into())),
            Some(dst) => {
                let dst = message(&dst.as_bytes());
                Address::parse(&dst, None).or_else(|_| Address::parse(&dst, Some(port.into())))
            }
        };
        let address = address.map_err(|why| wrong(why.to_string()))?;
        let options = fields.raw_get::<Option<Table>>("tls")?;
        let tls = match is_tls {
            true => Some(TlsOptions::named(
                options.as_ref(),
                &host,
                &name,
                &settings.trust,
            )?),
            false => None,
        };
        let timeout = match fields.raw_get::<Option<f64>>("timeout")? {
            // As everywhere in HAProxy, 0 is no timeout of one's own.
            None | Some(0.0) => TIMEOUT,
            Some(ms) => {
                Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| wrong("invalid timeout".to_owned()))?
            }
        };
        let body = match fields.raw_get::<Value>("body")? {
            Value::Nil | Value::Function(_) => None,
            body => match lua.coerce_string(body)? {
                Some(body) => Some(Bytes::copy_from_slice(&body.as_bytes())),
                None => return Err(wrong("invalid body".to_owned())),
            },
        };
        let mut headers = Headers::new();
        if let Some(given) = fields.raw_get::<Option<Table>>("headers")? {
            read_headers(lua, &given, &mut headers, &wrong)?;
        }
        complete(&mut headers, &uri);
        let kept_by = format!("{address:?} {}", tls.as_ref().map_or("", |tls| tls.shown()));
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = Bytes::from(format!("{slash}{target}"));
        let target = Target::parse(&target).map_err(|_| bad_url())?;
        Ok(Request {
            head: request::Parts::new(method, target, Version::HTTP_11, headers),
            body,
            address,
            tls,
            timeout,
            stream: fields.raw_get::<Option<bool>>("stream")? == Some(true),
            kept_by,
            settings: Arc::clone(settings),
        })
    }
}

/// Each name has a value, or a list of them, which may begin at 0.
fn read_headers(
    lua: &Lua,
    given: &Table,
    headers: &mut Headers,
    wrong: &dyn Fn(String) -> mlua::Error,
) -> Result<()> {
    for pair in given.pairs::<LuaString, Value>() {
        let (name, values) = pair?;
        let shown = message(&name.as_bytes());
        let known = HeaderName::from_bytes(&name.as_bytes())
            .map_err(|_| wrong(format!("invalid header name `{shown}`")))?;
        // Numbers are texts, as everywhere in Lua.
        let mut add = |value: Value| {
            let kind = type_name(&value);
            let value = lua.coerce_string(value)?;
            let value = value.ok_or_else(|| wrong(format!("header `{shown}` is a {kind}")))?;
            let value = HeaderValue::from_bytes(&value.as_bytes()).map_err(|_| {
                wrong(format!(
                    "the value of `{shown}` has characters that can't be sent"
                ))
            })?;
            // The length is that of the body, whatever the script counted.
            if known != names::CONTENT_LENGTH && known != names::TRANSFER_ENCODING {
                headers.append(known.clone(), value);
            }
            Ok::<_, mlua::Error>(())
        };
        match values {
            Value::Table(values) => {
                let first = values.raw_get::<Option<Value>>(0)?;
                let rest = values.sequence_values::<Value>();
                for value in first.into_iter().map(Ok).chain(rest) {
                    add(value?)?;
                }
            }
            value => add(value)?,
        }
    }
    Ok(())
}

/// What every request has, unless the script says otherwise.
fn complete(headers: &mut Headers, uri: &Uri) {
    if let (false, Some(authority)) = (headers.contains(names::HOST), uri.authority()) {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        if let Ok(host) = HeaderValue::from_str(host) {
            headers.insert(names::HOST, host);
        }
    }
    for (name, value) in [(names::ACCEPT, "*/*"), (names::USER_AGENT, "Tidegate")] {
        if !headers.contains(name) {
            headers.append(name, HeaderValue::from_static(value));
        }
    }
}
