//! `email-alert` lines.

use std::collections::BTreeMap;

use super::args::{Args, Parsed};
use super::log::level;
use super::proxy::{ProxyCx, described};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Global, LuaStep, Mailers, Proxy};

/// Reads a line from its second word on.
pub(super) fn alert(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Part {
        From,
        Level,
        Mailers,
        Host,
        To,
    }
    let parts = [
        ("from", Part::From),
        ("level", Part::Level),
        ("mailers", Part::Mailers),
        ("myhostname", Part::Host),
        ("to", Part::To),
    ];
    let alert = &mut cx.proxy.email_alert;
    match args.one_of("a setting of `email-alert`", &parts)? {
        Part::From => alert.from = Some(args.text("an address of mail")?.to_owned()),
        Part::To => alert.to = Some(args.text("an address of mail")?.to_owned()),
        Part::Host => alert.host = Some(args.text("a host's name")?.to_owned()),
        Part::Mailers => alert.mailers = Some(args.spanned("the name of a `mailers` section")?),
        Part::Level => alert.level = Some(level(args.expect("a syslog level")?)?),
    }
    Ok(())
}

/// Sections that are named must be there, and a proxy must say enough for mails to be sent.
pub(crate) fn check(
    proxies: &[Proxy],
    sections: &BTreeMap<String, Mailers>,
    global: &Global,
    diagnostics: &mut Diagnostics,
) {
    let is_script = |step: &LuaStep| matches!(step, LuaStep::Load(_));
    let has_scripts = global.lua.steps.iter().any(is_script);

    for proxy in proxies {
        let alert = &proxy.email_alert;
        if let Some(name) = &alert.mailers
            && !sections.contains_key(&name.value)
        {
            let message = format!("there is no section `mailers {}`", name.value);
            let known = sections.keys().map(String::as_str);
            diagnostics
                .push(Diagnostic::error(code::BAD_ARGUMENT, name.span, message).suggest(&name.value, known));
        }
        if let Some(name) = alert.section().filter(|_| !has_scripts) {
            let message = "no mails are sent: that is a script's task, and there is none";
            diagnostics.push(
                Diagnostic::warning(code::NO_EFFECT, name.span, message)
                    .help("load one, as HAProxy's `mailers.lua`, by `lua-load`"),
            );
        }
        if alert.is_set() && alert.section().is_none() {
            let said = [
                ("mailers", alert.mailers.is_some()),
                ("from", alert.from.is_some()),
                ("to", alert.to.is_some()),
            ];
            let missing = said.iter().filter(|(_, said)| !said);
            let missing: Vec<String> = missing.map(|(name, _)| format!("`email-alert {name}`")).collect();
            let message = format!(
                "no mails are sent for {}: it has no {}",
                described(proxy),
                missing.join(", ")
            );
            diagnostics.push(Diagnostic::warning(code::NO_EFFECT, proxy.name.span, message));
        }
    }
}
