//! `filter` lines.

use std::collections::BTreeMap;

use super::ProxyCx;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    Action, Bandwidth, BandwidthSharing, Cache, Filter, FilterKind, LuaFilter, Proxy, ProxyKind,
};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::{Found, Keyword, KeywordDoc, Sections, Status, look_up};
use crate::parse::rules::lua_name;
use crate::parse::{sampled, stick};
use crate::source::Spanned;
use crate::units::TimeUnit;
use tidegate_sample::stick::DataType;
use tidegate_sample::{Place, Way};

type Parse = fn(&mut ProxyCx<'_>, &mut Args<'_>) -> Parsed<FilterKind>;

const NO_DEFAULTS: Sections = Sections::PROXIES.without(Sections::DEFAULTS);

const fn row(
    name: &'static str,
    arguments: &'static str,
    doc: &'static str,
    status: Status<Parse>,
) -> Keyword<Parse> {
    Keyword {
        name,
        sections: NO_DEFAULTS,
        arguments,
        doc,
        status,
    }
}

const BANDWIDTH: &str = "<name> { default-limit <size> default-period <time> | limit <size> key <expr> [table <table>] } [min-size <size>]";

/// The filters.
#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    row("cache", "<name>", "record responses for a cache", Status::Served(|_, args| {
        Ok(FilterKind::Cache(args.spanned("the name of a `cache` section")?))
    })),
    row("compression", "", "compress messages", Status::Served(compression)),
    // Which way it works is for the `compression` lines to say.
    row("comp-res", "", "compress responses", Status::Served(compression)),
    row("comp-req", "", "compress requests", Status::Served(|cx, args| {
        cx.proxy.compression.get_or_insert_default().of_requests = true;
        compression(cx, args)
    })),
    row("bwlim-in", BANDWIDTH, "limit what clients send", Status::Served(|cx, args| bandwidth(cx, args, true))),
    row("bwlim-out", BANDWIDTH, "limit what clients are sent", Status::Served(|cx, args| bandwidth(cx, args, false))),
    row("fcgi-app", "<name>", "speak FastCGI to servers", Status::LeftOut("FastCGI is not spoken")),
    row("opentelemetry", "[id <id>] config <file>", "trace requests",
        Status::LeftOut("it is an addition to HAProxy, built with libraries of its own")),
    row("opentracing", "[id <id>] config <file>", "trace requests", Status::LeftOut("HAProxy has removed it")),
    row("spoe", "[engine <name>] config <file>", "ask agents",
        Status::LeftOut("agents of the SPOE are not asked; a script can ask whom it likes, and wait for the answer")),
    row("trace", "[name <name>] [quiet] [random-forwarding] [max-fwd <max>] [hexdump]", "print what filters are called for",
        Status::LeftOut("it prints the callbacks of HAProxy's own filters, which are not those here")),
];

/// The filters for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("filter"))
}

/// `filter <name> [<arg>...]`
pub(super) fn filter(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the name of a filter")?;
    args.named(word);
    if word.lossy().starts_with("lua.") {
        let name = lua_name(word)?;
        let words = args.take_rest().iter();
        let arguments = words
            .map(|word| Ok(word.text()?.to_owned()))
            .collect::<Parsed<_>>()?;
        let kind = FilterKind::Lua(LuaFilter { name, arguments });
        cx.proxy.filters.push(Filter {
            kind,
            name: word.lossy().into_owned(),
            span: word.span(),
        });
        return Ok(());
    }
    if !ROWS.iter().any(|row| word.is(row.name)) {
        let message = format!("unknown filter `{}`", word.lossy());
        let known = ROWS.iter().map(|row| row.name);
        return Err(Box::new(
            Diagnostic::error(code::UNKNOWN_KEYWORD, word.span(), message)
                .suggest(&word.lossy(), known)
                .note("the filter of a script is named `lua.<name>`"),
        ));
    }
    match look_up(&[ROWS], word, "filter ", "among filters")? {
        Found::Served(_, parse) => {
            let kind = parse(cx, args)?;
            let (name, span) = (word.lossy().into_owned(), word.span());
            cx.proxy.filters.push(Filter { kind, name, span });
        }
        Found::Nothing(_) => {}
    }
    Ok(())
}

/// `filter-sequence { request | response } <name>[,...]`
pub(super) fn sequence(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let first = args.last();
    let way = args.one_of("a way", &[("request", Way::Request), ("response", Way::Response)])?;
    let word = args.expect("names of filters such as `lua.mine,comp-res`")?;
    let mut names: Vec<Spanned<String>> = Vec::new();
    for name in word.text()?.split(',') {
        if names.iter().any(|known| known.value == name) {
            return bad_argument(word, format!("`{name}` is named twice"));
        }
        names.push(Spanned::new(name.to_owned(), word.span()));
    }
    let sequences = &mut cx.proxy.filter_sequences;
    let sequence = match way {
        Way::Request => &mut sequences.request,
        Way::Response => &mut sequences.response,
    };
    if sequence.replace(names).is_some() {
        let message = "there is another `filter-sequence` of this way in the section";
        return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, first, message)));
    }
    Ok(())
}

fn compression(cx: &mut ProxyCx<'_>, _: &mut Args<'_>) -> Parsed<FilterKind> {
    cx.proxy.compression.get_or_insert_default();
    Ok(FilterKind::Compression)
}

/// `<name> { default-limit <size> default-period <time> | limit <size> key <expr> [table <table>] } [min-size <size>]`
fn bandwidth(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, incoming: bool) -> Parsed<FilterKind> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Setting {
        DefaultLimit,
        DefaultPeriod,
        Limit,
        Key,
        Table,
        MinSize,
    }
    let names = [
        ("default-limit", Setting::DefaultLimit),
        ("default-period", Setting::DefaultPeriod),
        ("limit", Setting::Limit),
        ("key", Setting::Key),
        ("table", Setting::Table),
        ("min-size", Setting::MinSize),
    ];
    let name = args.spanned("a name")?;
    let place = match cx.proxy.kind {
        ProxyKind::Frontend => Place::FrontendHttpRequest,
        _ => Place::BackendHttpRequest,
    };
    let scope = cx.scope(place);
    let (mut limit, mut period, mut key, mut table) = (None, None, None, None);
    let mut bytes_min = 0;
    let mut own = None;
    while let Some(word) = args.peek() {
        let setting = args.one_of("a setting of the filter", &names)?;
        args.named(word);
        let is_own = matches!(setting, Setting::DefaultLimit | Setting::DefaultPeriod);
        if setting != Setting::MinSize && own.replace(is_own).is_some_and(|before| before != is_own) {
            let message = format!("`{}` doesn't go with what is before it", word.lossy());
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                    .help("a limit is for each stream (`default-limit`, `default-period`) or shared (`limit`, `key`, `table`)"),
            ));
        }
        match setting {
            Setting::DefaultLimit | Setting::Limit => limit = Some(args.size()?),
            Setting::DefaultPeriod => period = Some(args.time(TimeUnit::Milliseconds)?),
            Setting::Key => {
                let word = args.expect("an expression such as `src`")?;
                key = Some((sampled::expression(word, &scope)?, word));
            }
            Setting::Table => table = Some(stick::named(&scope, args.expect("the name of a table")?)?),
            Setting::MinSize => bytes_min = args.size()?,
        }
    }
    let limit = limit
        .filter(|limit| *limit > 0)
        .ok_or_else(|| args.missing("`default-limit <size>` or `limit <size>`, of at least a byte"))?;
    let sharing = if own == Some(true) {
        let period = period.filter(|period| !period.is_zero());
        BandwidthSharing::Stream(period.ok_or_else(|| args.missing("`default-period <time>`"))?)
    } else {
        let (key, word) = key.ok_or_else(|| args.missing("`key <expr>`"))?;
        let table = match table {
            Some(table) => table,
            None => stick::own(&scope, word.span())?,
        };
        stick::fits(&key, &table, word)?;
        let rate = if incoming {
            DataType::BytesInRate
        } else {
            DataType::BytesOutRate
        };
        if !table.keeps(rate) {
            let message = format!("the table `{}` does not keep `{}`", table.name(), rate.name());
            let help = format!("add `store {}(<period>)` to its `stick-table` line", rate.name());
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).help(help),
            ));
        }
        BandwidthSharing::Table(key, table)
    };
    Ok(FilterKind::Bandwidth(Bandwidth {
        name,
        incoming,
        limit,
        sharing,
        bytes_min,
    }))
}

/// Holds filters, and the rules that need them, to each other and to the caches that there are.
pub(crate) fn check(proxies: &[Proxy], caches: &BTreeMap<String, Cache>, diagnostics: &mut Diagnostics) {
    for proxy in proxies {
        for name in caches_of(proxy) {
            if !caches.contains_key(&name.value) {
                let message = format!("there is no section `cache {}`", name.value);
                diagnostics.push(
                    Diagnostic::error(code::BAD_ARGUMENT, name.span, message)
                        .suggest(&name.value, caches.keys().map(String::as_str)),
                );
            }
        }
        twice(proxy, diagnostics);
        limits(proxy, diagnostics);
        undeclared(proxy, diagnostics);
        sequences(proxy, diagnostics);
    }
}

/// The caches that a proxy names.
fn caches_of(proxy: &Proxy) -> impl Iterator<Item = &Spanned<String>> {
    let in_rules = proxy.rules.all().filter_map(|rule| match &rule.action {
        Action::CacheUse { cache, .. } | Action::CacheStore(cache) => Some(cache),
        _ => None,
    });
    in_rules.chain(filters_of_caches(proxy))
}

fn filters_of_caches(proxy: &Proxy) -> impl Iterator<Item = &Spanned<String>> {
    proxy.filters.iter().filter_map(|filter| match &filter.kind {
        FilterKind::Cache(name) => Some(name),
        FilterKind::Compression | FilterKind::Bandwidth(_) | FilterKind::Lua(_) => None,
    })
}

/// What limits the filters of a proxy is there once, and what rules set of it can be set.
fn limits(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    let filters: Vec<&Bandwidth> = proxy
        .filters
        .iter()
        .filter_map(|filter| match &filter.kind {
            FilterKind::Bandwidth(filter) => Some(filter),
            _ => None,
        })
        .collect();
    let find = |name: &str| filters.iter().find(|filter| filter.name.value == name);
    for filter in &filters {
        if let Some(first) = find(&filter.name.value).filter(|first| first.name.span != filter.name.span) {
            let message = format!(
                "there is another filter of the name `{}` in this section",
                filter.name.value
            );
            diagnostics.push(
                Diagnostic::error(code::DUPLICATE_NAME, filter.name.span, message)
                    .related(first.name.span, "the first one"),
            );
        }
    }
    for rule in proxy.rules.all() {
        let Action::LimitBandwidth {
            filter: name,
            limit,
            period,
        } = &rule.action
        else {
            continue;
        };
        let Some(filter) = find(&name.value) else {
            let message = format!(
                "this section has no `filter bwlim-in` or `bwlim-out` of the name `{}`",
                name.value
            );
            let known = filters.iter().map(|filter| filter.name.value.as_str());
            diagnostics
                .push(Diagnostic::error(code::BAD_ARGUMENT, name.span, message).suggest(&name.value, known));
            continue;
        };
        let is_shared = matches!(filter.sharing, BandwidthSharing::Table(..));
        if is_shared && (limit.is_some() || period.is_some()) {
            let message = format!(
                "the limit of `{}` is shared and can't be set by a rule",
                name.value
            );
            diagnostics.push(
                Diagnostic::error(code::BAD_ARGUMENT, name.span, message)
                    .related(filter.name.span, "the filter"),
            );
        }
    }
}

fn twice(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    for name in filters_of_caches(proxy) {
        if let Some(first) = seen.insert(&name.value, name) {
            let message = format!("there is another `filter cache {}` in this section", name.value);
            diagnostics.push(
                Diagnostic::error(code::DUPLICATE_NAME, name.span, message)
                    .related(first.span, "the first one"),
            );
        }
    }
}

/// A sequence names filters of its proxy.
fn sequences(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    let sequences = &proxy.filter_sequences;
    let names = sequences.request.iter().chain(&sequences.response).flatten();
    for name in names {
        if proxy.filters.iter().any(|filter| filter.name == name.value) {
            continue;
        }
        let message = format!("this section has no line `filter {}`", name.value);
        let known = proxy.filters.iter().map(|filter| filter.name.as_str());
        diagnostics
            .push(Diagnostic::error(code::BAD_ARGUMENT, name.span, message).suggest(&name.value, known));
    }
}

/// Beside filters of other kinds, the places of all have to be said.
fn undeclared(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    let is_other = |filter: &&Filter| !matches!(filter.kind, FilterKind::Cache(_) | FilterKind::Compression);
    let Some(other) = proxy.filters.iter().find(is_other) else {
        return;
    };
    let mut told: Vec<&str> = Vec::new();
    for rule in &proxy.rules.http_response {
        let Action::CacheStore(cache) = &rule.action else {
            continue;
        };
        let is_declared = filters_of_caches(proxy).any(|name| name.value == cache.value);
        if !is_declared && !told.contains(&cache.value.as_str()) {
            told.push(&cache.value);
            let message = format!(
                "the place of the cache `{}` among the filters is not said",
                cache.value
            );
            let help = format!(
                "add a line `filter cache {}` before or after the other filters",
                cache.value
            );
            diagnostics.push(
                Diagnostic::error(code::MISSING_ARGUMENT, cache.span, message)
                    .related(other.span, "another filter")
                    .help(help),
            );
        }
    }
    let compresses = proxy
        .compression
        .as_ref()
        .is_some_and(|settings| settings.request.is_some() || !settings.response.is_empty());
    let is_compression = |filter: &Filter| matches!(filter.kind, FilterKind::Compression);
    if compresses && !proxy.filters.iter().any(is_compression) {
        let message = "the place of the compression among the filters is not said";
        diagnostics.push(
            Diagnostic::error(code::MISSING_ARGUMENT, other.span, message)
                .help("add a line `filter comp-res` before or after the other filters"),
        );
    }
}
