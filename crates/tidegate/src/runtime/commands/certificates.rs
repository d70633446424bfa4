//! Commands about certificates, those who vouch for them, and what was revoked.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_config::model::{AccessLevel, TlsSettings};
use tidegate_config::{Diagnostics, TimeUnit, certificate_line, parse_time};
use tidegate_tls::{Entry, Store, TicketKeys};

use crate::assemble::Names;
use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, left_out, served};

use AccessLevel::{Admin, Operator};

const TRUNCATED: &str = "it needs the name of a file";

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show ssl cert", "[[*][\\]<filename>]", Operator, "list the certificates, or describe one", |call| {
        shown(call, Store::certificates, Store::certificate, "Can't display the certificate: Not found!")
    }),
    served("dump ssl cert", "[*]<filename>", Admin, "a certificate with its key, in PEM", |call| {
        let name = name(call, "dump ssl cert")?;
        let text = call.about.facts.tls.dump(&name);
        text.map(Answer::from).ok_or_else(|| Refusal::error("Can't dump the certificate: Not found!"))
    }),
    served("new ssl cert", "<filename>", Admin, "an empty certificate, to be set and committed", |call| {
        changed(call, "new ssl cert", Store::new_certificate)
    }),
    served("set ssl cert", "<filename> <payload>", Admin, "begin or go on to change a certificate, or a file beside it", |call| {
        put(call, "set ssl cert", Store::set_certificate)
    }),
    served("commit ssl cert", "<filename>", Admin, "shake hands with the changed certificate from now on", |call| {
        let done = changed(call, "commit ssl cert", Store::commit_certificate)?;
        offer_tokens(call);
        Ok(done)
    }),
    served("abort ssl cert", "<filename>", Admin, "give the change of a certificate up", |call| {
        changed(call, "abort ssl cert", Store::abort_certificate)
    }),
    served("del ssl cert", "<filename>", Admin, "forget a certificate that nothing uses", |call| {
        changed(call, "del ssl cert", Store::delete_certificate)
    }),
    served("add ssl jwt", "<filename>", Admin, "let tokens be verified and decrypted with a certificate", |call| tokens(call, true)),
    served("del ssl jwt", "<filename>", Admin, "don't let tokens be verified with a certificate any more", |call| tokens(call, false)),
    served("show ssl jwt", "", Operator, "list the certificates that tokens may be verified with", |call| {
        Ok(call.about.facts.tls.tokens().into())
    }),
    served("show ssl crt-list", "[-n] [<filename>]", Operator, "list the lists of certificates, or the lines of one", |call| {
        let numbered = call.args.first().is_some_and(|arg| arg == b"-n");
        let store = &call.about.facts.tls;
        match call.text(usize::from(numbered)) {
            None => Ok(store.lists().into()),
            Some(name) => {
                let text = store.list(&name, numbered);
                text.map(Answer::from).ok_or_else(|| Refusal::error("didn't find the specified filename"))
            }
        }
    }),
    served("add ssl crt-list", "<crt-list> {<certificate> | <payload>}", Admin, "add a line to a list of certificates", add_line),
    served("del ssl crt-list", "<crt-list> <certificate[:line]>", Admin, "take a line out of a list of certificates", |call| {
        let (Some(list), Some(entry)) = (call.text(0), call.text(1)) else {
            return Err(Refusal::error("'del ssl crt-list' expects a filename and a certificate name"));
        };
        said(call.about.facts.tls.delete_entry(&list, &entry))
    }),
    served("show ssl ca-file", "[[*][\\]<cafile>[:<index>]]", Operator, "list the files of authorities, or describe one", |call| {
        shown(call, Store::authorities, Store::authority, "Can't display the CA file : Not found!")
    }),
    served("new ssl ca-file", "<cafile>", Admin, "an empty file of authorities, to be set and committed", |call| {
        changed(call, "new ssl ca-file", Store::new_authorities)
    }),
    served("set ssl ca-file", "<cafile> <payload>", Admin, "begin to change a file of authorities", |call| {
        put(call, "set ssl ca-file", |store, name, payload| store.set_authorities(name, payload, false))
    }),
    served("add ssl ca-file", "<cafile> <payload>", Admin, "go on to change a file of authorities", |call| {
        put(call, "add ssl ca-file", |store, name, payload| store.set_authorities(name, payload, true))
    }),
    served("commit ssl ca-file", "<cafile>", Admin, "trust the changed authorities from now on", |call| {
        changed(call, "commit ssl ca-file", Store::commit_authorities)
    }),
    served("abort ssl ca-file", "<cafile>", Admin, "give the change of authorities up", |call| {
        changed(call, "abort ssl ca-file", Store::abort_authorities)
    }),
    served("del ssl ca-file", "<cafile>", Admin, "forget authorities that nothing uses", |call| {
        changed(call, "del ssl ca-file", Store::delete_authorities)
    }),
    served("show ssl crl-file", "[[*][\\]<crlfile>[:<index>]]", Operator, "list the files of revocation lists, or describe one", |call| {
        shown(call, Store::revocations, Store::revocation, "Can't display the CRL file : Not found!")
    }),
    served("new ssl crl-file", "<crlfile>", Admin, "an empty file of revocation lists, to be set and committed", |call| {
        changed(call, "new ssl crl-file", Store::new_revoked)
    }),
    served("set ssl crl-file", "<crlfile> <payload>", Admin, "begin to change a file of revocation lists", |call| {
        put(call, "set ssl crl-file", Store::set_revoked)
    }),
    served("commit ssl crl-file", "<crlfile>", Admin, "heed the changed revocation lists from now on", |call| {
        changed(call, "commit ssl crl-file", Store::commit_revoked)
    }),
    served("abort ssl crl-file", "<crlfile>", Admin, "give the change of revocation lists up", |call| {
        changed(call, "abort ssl crl-file", Store::abort_revoked)
    }),
    served("del ssl crl-file", "<crlfile>", Admin, "forget revocation lists that nothing uses", |call| {
        changed(call, "del ssl crl-file", Store::delete_revoked)
    }),
    served("show ssl sni", "[-f <frontend>] [-A] [-t <offset>]", Operator, "list the names that there are certificates for", names),
    served("set ssl ocsp-response", "{<response> | <payload>}", Admin, "staple a response of OCSP, given in base64", |call| {
        let written = call.args.join(&b' ');
        let text = call.payload.unwrap_or(&written);
        if text.is_empty() {
            return Err(Refusal::error("'set ssl ocsp-response' expects response in base64 encoding."));
        }
        said(call.about.facts.tls.set_response(text))
    }),
    served("show ssl ocsp-response", "[[text|base64] <id|path>]", Operator, "list the responses of OCSP, or describe one", response),
    served("show tls-keys", "[<id>|*]", Admin, "list the files of keys of tickets, or their keys", ticket_keys),
    served("set ssl tls-key", "<id> <tlskey>", Admin, "add a key of tickets; the one that was last encrypts then", set_ticket_key),
    left_out("show ssl ocsp-updates", OCSP),
    left_out("update ssl ocsp-response", OCSP),
];

const OCSP: &str = "responses of OCSP come from files and over the runtime API only";

/// Lets expressions know which certificates tokens may be verified with.
fn offer_tokens(call: &Call<'_>) {
    crate::tokens::offer(&call.about.facts.tls);
}

fn said(result: Result<String, String>) -> Result<Answer, Refusal> {
    match result {
        Ok(text) => Ok(Answer::Message(Severity::Info, text)),
        Err(why) => Err(Refusal::error(why)),
    }
}

fn name(call: &Call<'_>, command: &str) -> Result<String, Refusal> {
    let name = call.text(0).filter(|name| !name.is_empty());
    name.ok_or_else(|| Refusal::error(format!("'{command}': {TRUNCATED}")))
}

fn changed(
    call: &mut Call<'_>,
    command: &str,
    change: fn(&Store, &str) -> Result<String, String>,
) -> Result<Answer, Refusal> {
    let name = name(call, command)?;
    said(change(&call.about.facts.tls, &name))
}

fn put(
    call: &mut Call<'_>,
    command: &str,
    change: impl Fn(&Store, &str, &[u8]) -> Result<String, String>,
) -> Result<Answer, Refusal> {
    let name = name(call, command)?;
    let Some(payload) = call.payload else {
        return Err(Refusal::error(format!(
            "'{command}': it needs the content as a payload"
        )));
    };
    said(change(&call.about.facts.tls, &name, payload))
}

fn shown(
    call: &mut Call<'_>,
    all: fn(&Store) -> String,
    one: fn(&Store, &str) -> Option<String>,
    missing: &str,
) -> Result<Answer, Refusal> {
    let store = &call.about.facts.tls;
    match call.text(0) {
        None => Ok(all(store).into()),
        Some(name) => one(store, &name)
            .map(Answer::from)
            .ok_or_else(|| Refusal::error(missing)),
    }
}

fn tokens(call: &mut Call<'_>, allowed: bool) -> Result<Answer, Refusal> {
    let name = name(call, "ssl jwt")?;
    let used = call.about.facts.tls.use_for_tokens(&name, allowed);
    used.map_err(Refusal::error)?;
    offer_tokens(call);
    Ok(Answer::Done)
}

fn add_line(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let missing = || Refusal::error("'add ssl crt-list' expects a filename and a certificate name");
    let list = call.text(0).ok_or_else(missing)?;
    let entry = match (call.payload, call.text(1)) {
        (Some(payload), _) => {
            let failed = |why: String| Refusal::error(format!("Can't edit the crt-list: {why}"));
            let line = certificate_line(payload).map_err(failed)?;
            if line.files.are_named() {
                return Err(failed(
                    "no files are read while the program runs; set them with `set ssl cert`".to_owned(),
                ));
            }
            let mut faults = Diagnostics::default();
            let base = call.about.facts.ca_base.as_ref();
            let options = (line.settings != TlsSettings::default())
                .then(|| Names(&mut faults).accept_options(&line.settings, line.certificate.span, base));
            if faults.has_errors() {
                let text: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
                return Err(failed(text.join("\n")));
            }
            Entry {
                line: 0,
                certificate: line.certificate.value,
                written: line.written,
                options,
                filters: line.filters,
            }
        }
        (None, Some(certificate)) => Entry::plain(0, certificate),
        (None, None) => return Err(missing()),
    };
    said(call.about.facts.tls.add_entry(&list, entry))
}

fn names(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let is_known = |name: &str| plane.frontends().any(|frontend| frontend.name == name);
    let (mut frontend, mut only_expired, mut offset) = (None, false, std::time::Duration::ZERO);
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        match arg.as_slice() {
            b"-A" => only_expired = true,
            b"-f" => {
                let name = args
                    .next()
                    .ok_or_else(|| Refusal::error("'-f' requires a frontend name!"))?;
                let name = String::from_utf8_lossy(name).into_owned();
                if !is_known(&name) {
                    return Err(Refusal::error("Couldn't find the specified frontend!"));
                }
                frontend = Some(name);
            }
            b"-t" => {
                let time = args
                    .next()
                    .and_then(|time| parse_time(time, TimeUnit::Seconds).ok());
                offset = time.ok_or_else(|| Refusal::error("'-t' requires an offset in seconds!"))?;
            }
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(Refusal::error(format!(
                    "Invalid parameter `{other}`: '-f', '-A' or '-t' is expected."
                )));
            }
        }
    }
    let by = only_expired.then(|| SystemTime::now() + offset);
    Ok(call.about.facts.tls.names(frontend.as_deref(), by).into())
}

fn response(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let store = &call.about.facts.tls;
    let (form, wanted) = match (call.text(0), call.text(1)) {
        (None, _) => return Ok(store.responses().into()),
        (Some(form), Some(wanted)) => (form, wanted),
        (Some(wanted), None) => ("text".to_owned(), wanted),
    };
    let found = store.response(&wanted);
    let found =
        found.ok_or_else(|| Refusal::error("Certificate ID or path does not match any certificate."))?;
    match form.as_str() {
        "text" => Ok(found.text().into()),
        "base64" => Ok(STANDARD.encode(found.der()).into()),
        other => Err(Refusal::error(format!(
            "`{other}` is neither `text` nor `base64`."
        ))),
    }
}

/// The keys that an identifier means: `#<id>`, or the file.
fn keys_of<'k>(
    all: &'k [std::sync::Arc<TicketKeys>],
    wanted: &str,
) -> Option<(usize, &'k std::sync::Arc<TicketKeys>)> {
    let number = wanted.strip_prefix('#').and_then(|number| number.parse().ok());
    let mut all = all.iter().enumerate();
    all.find(|(id, keys)| number == Some(*id) || keys.name.as_deref() == Some(wanted))
}

fn ticket_keys(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let all = call.about.facts.tls.all_ticket_keys();
    let Some(wanted) = call.text(0) else {
        let mut text = String::from("# id (file)\n");
        for (id, keys) in all.iter().enumerate() {
            text.push_str(&format!("{id} ({})\n", keys.name.as_deref().unwrap_or_default()));
        }
        return Ok(text.into());
    };
    let chosen: Vec<_> = match wanted.as_str() {
        "*" => all.iter().enumerate().collect(),
        wanted => vec![
            keys_of(&all, wanted)
                .ok_or_else(|| Refusal::error("'show tls-keys' unable to locate referenced filename"))?,
        ],
    };
    let mut text = String::from("# id secret\n");
    for (id, keys) in chosen {
        text.push_str(&format!(
            "# {id} ({})\n",
            keys.name.as_deref().unwrap_or_default()
        ));
        for (at, key) in keys.written().iter().enumerate() {
            text.push_str(&format!("{id}.{at} {}\n", STANDARD.encode(key)));
        }
    }
    Ok(text.into())
}

fn set_ticket_key(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (Some(wanted), Some(key)) = (call.text(0), call.args.get(1)) else {
        return Err(Refusal::error(
            "'set ssl tls-key' expects a filename and the new TLS key in base64 encoding.",
        ));
    };
    let all = call.about.facts.tls.all_ticket_keys();
    let (_, keys) = keys_of(&all, &wanted)
        .ok_or_else(|| Refusal::error("'set ssl tls-key' unable to locate referenced filename"))?;
    let key = STANDARD
        .decode(key)
        .map_err(|_| Refusal::error("'set ssl tls-key' received invalid base64 encoded TLS key."))?;
    keys.push(&key).map_err(Refusal::error)?;
    Ok(Answer::Message(
        Severity::Info,
        "TLS ticket key updated!".to_owned(),
    ))
}
