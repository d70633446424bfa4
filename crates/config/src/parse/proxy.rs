//! The lines of `defaults`, `frontend`, `backend` and `listen` sections.

mod balance;
mod compression;
mod filters;
mod forwarded;
mod logs;
mod options;
mod persistence;
mod stats;
mod table;
mod timeouts;
mod upstream;

use std::rc::Rc;

use tidegate_sample::AclSet;
use tidegate_sample::{Externals, Files, Place, Scope, UserLists};

use super::args::{Args, Parsed};
use super::check_rules::Checks;
use super::elsewhere;
use super::errors::ErrorSets;
use super::keyword::{Found, KeywordDoc, Sections, look_up};
use super::names::{Here, ProxyNames};
use super::order::Order;
use super::server_origins::{Above, Origins};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Global, Proxy, ProxyKind};
use crate::source::Span;
use crate::text::Word;

pub(crate) use balance::settle as settle_balance;
pub(crate) use filters::check as check_filters;
pub(crate) use logs::{FormatSource, settle_format};
pub(crate) use stats::settle as settle_stats;
pub(crate) use table::{dynamic_server, outgoing};

/// What lines of a proxy act on.
pub(crate) struct ProxyCx<'c> {
    pub(crate) proxy: Proxy,
    /// Where the current line stands: in the proxy's own section, or in `defaults`.
    pub(crate) section: Sections,
    /// Whether the `defaults` section has a name: only then it may have rules.
    pub(crate) named_defaults: bool,
    /// The ACLs of the section, which expressions may ask too.
    pub(crate) acls: Rc<AclSet>,
    /// The proxies that expressions may name; `None` in a `defaults` section, which is checked for those that use it.
    pub(crate) here: Option<&'c Here<'c>>,
    /// What its servers may begin with.
    pub(crate) origins: Origins,
    /// What servers of backends above may begin with.
    pub(crate) above: &'c Above,
    pub(crate) log_format: Option<FormatSource>,
    /// The times that the section's own lines have set, and where.
    pub(crate) timeouts: Vec<(&'static str, Span)>,
    /// The last `mode` line.
    pub(crate) mode_span: Option<Span>,
    pub(crate) checks: Checks,
    pub(crate) order: Order,
    pub(crate) names: &'c ProxyNames,
    pub(crate) global: &'c Global,
    pub(crate) externals: &'c dyn Externals,
    pub(crate) userlists: &'c UserLists,
    /// The `http-errors` sections.
    pub(crate) http_errors: &'c ErrorSets,
    pub(crate) files: &'c dyn Files,
    pub(crate) diagnostics: &'c mut Diagnostics,
}

impl<'c> ProxyCx<'c> {
    /// What expressions are parsed against at a place.
    pub(crate) fn scope(&self, place: Place) -> Scope<'c> {
        self.known(Scope::new(place))
    }

    fn known(&self, scope: Scope<'c>) -> Scope<'c> {
        let scope = scope
            .with_externals(self.externals)
            .with_files(self.files)
            .with_userlists(self.userlists);
        match self.here {
            Some(here) => scope.with_proxies(here),
            None => scope,
        }
    }

    /// What named ACLs are parsed against: whoever uses them checks the place.
    pub(crate) fn acl_scope(&self) -> Scope<'c> {
        self.known(Scope::anywhere())
    }

    /// Whether the current line comes from a `defaults` section.
    pub(crate) fn in_defaults(&self) -> bool {
        self.section == Sections::DEFAULTS
    }

    /// `frontend `NAME``, for messages.
    pub(crate) fn described(&self) -> String {
        described(&self.proxy)
    }
}

/// `frontend `NAME``, for messages.
pub(crate) fn described(proxy: &Proxy) -> String {
    format!("{} `{}`", proxy.kind.keyword(), proxy.name.value)
}

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    table::rows()
        .chain(timeouts::rows())
        .chain(options::rows())
        .chain(filters::rows())
        .chain(stats::rows())
}

/// The ACLs of a section, which the rules of all its lines may use.
pub(crate) fn declare_acls<'w>(cx: &mut ProxyCx<'_>, statements: impl Iterator<Item = &'w [Word]>) {
    let mut acls = AclSet::default();
    for words in statements {
        let Some(keyword) = words.first().filter(|word| word.is("acl")) else {
            continue;
        };
        if let Err(diagnostic) = acl(cx, keyword, words, &mut acls) {
            cx.diagnostics.push(*diagnostic);
            // the name is meant to exist: rules that use it aren't to blame
            let scope = cx.acl_scope();
            if let Some(Ok(name)) = words.get(1).map(Word::text) {
                let _ = acls.declare(&[name, "always_false"], &scope);
            }
        }
    }
    cx.acls = Rc::new(acls);
}

fn acl(cx: &mut ProxyCx<'_>, keyword: &Word, words: &[Word], acls: &mut AclSet) -> Parsed<()> {
    anonymous_defaults(cx, keyword)?;
    let mut args = Args::of_statement(keyword, words);
    args.expect("a name")?;
    if args.peek().is_none() {
        return Err(args.missing("a fetch such as `path`"));
    }
    let scope = cx.acl_scope();
    super::sampled::declare_acl(words.get(1..).unwrap_or_default(), acls, &scope, cx.diagnostics)
}

/// Rules and ACLs can't be in a `defaults` section without a name.
pub(crate) fn anonymous_defaults(cx: &ProxyCx<'_>, keyword: &Word) -> Parsed<()> {
    if !cx.in_defaults() || cx.named_defaults {
        return Ok(());
    }
    let message = format!(
        "`{}` can't be in a `defaults` section without a name",
        keyword.lossy()
    );
    Err(Box::new(
        Diagnostic::error(code::WRONG_SECTION, keyword.span(), message)
            .help("give the section a name: `defaults <name>`"),
    ))
}

/// Lines that are errors where they have no place; others are ignored, with a warning.
const GRAVE: [&str; 6] = [
    "declare",
    "default-server",
    "retry-on",
    "server",
    "server-template",
    "tcp-response",
];

/// Takes one line in.
pub(crate) fn statement(cx: &mut ProxyCx<'_>, words: &[Word]) {
    let Some(keyword) = words.first() else { return };
    let mut args = Args::of_statement(keyword, words);
    if let Err(diagnostic) = line(cx, keyword, &mut args) {
        cx.diagnostics.push(*diagnostic);
    }
}

fn line(cx: &mut ProxyCx<'_>, keyword: &Word, args: &mut Args<'_>) -> Parsed<()> {
    let place = format!(
        "in section `{}`",
        cx.section.names().first().copied().unwrap_or_default()
    );
    match look_up(&table::TABLES, keyword, "", &place)
        .map_err(|diagnostic| elsewhere::known(diagnostic, keyword))?
    {
        Found::Served(row, parse) => {
            if !applies(cx, row.sections, keyword, row.name, GRAVE.contains(&row.name))? {
                return Ok(());
            }
            parse(cx, args)?;
            args.end()
        }
        Found::Nothing(notice) => {
            cx.diagnostics.push(*notice);
            Ok(())
        }
    }
}

/// Whether a line has its place here. In `defaults` a line of the other side is kept for others.
pub(crate) fn applies(
    cx: &mut ProxyCx<'_>,
    sections: Sections,
    keyword: &Word,
    written: &str,
    is_grave: bool,
) -> Parsed<bool> {
    if !sections.has(cx.section) {
        if cx.in_defaults() || is_grave {
            let names: Vec<&str> = sections.names();
            let message = format!(
                "`{written}` can't be in section `{}`",
                cx.section.names().first().copied().unwrap_or_default()
            );
            return Err(Box::new(
                Diagnostic::error(code::WRONG_SECTION, keyword.span(), message)
                    .help(format!("it belongs in {}", super::args::list(&names))),
            ));
        }
        let side = if cx.proxy.kind == ProxyKind::Backend {
            "accepts no connections"
        } else {
            "has no servers"
        };
        let message = format!("`{written}` is ignored: {} {side}", cx.described());
        cx.diagnostics
            .push(Diagnostic::warning(code::WRONG_SECTION, keyword.span(), message));
        return Ok(false);
    }
    Ok(sections.has(section_of(cx.proxy.kind)))
}

/// The section of a kind of proxy.
pub(crate) fn section_of(kind: ProxyKind) -> Sections {
    match kind {
        ProxyKind::Frontend => Sections::FRONTEND,
        ProxyKind::Backend => Sections::BACKEND,
        ProxyKind::Listen => Sections::LISTEN,
    }
}
