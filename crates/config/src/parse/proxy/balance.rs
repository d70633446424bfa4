//! How a backend chooses among its servers: `balance` and `hash-…`.

use tidegate_sample::{Chain, Expr, Place};

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{Affinity, Balance, HashBy, HashFunction, HashType, Mode, UriPart};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::sampled;
use crate::text::Word;

/// The algorithms.
const NAMES: [&str; 11] = [
    "roundrobin",
    "static-rr",
    "leastconn",
    "first",
    "source",
    "uri",
    "url_param",
    "hdr",
    "hash",
    "random",
    "rdp-cookie",
];

/// Those of `mode log`.
const OF_LOGS: [&str; 3] = ["log-hash", "log-sticky", "sticky"];

/// `balance`.
pub(super) fn balance(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("an algorithm such as `roundrobin`")?;
    let text = word.text()?;
    let (name, argument) = in_parentheses(word, text)?;
    let takes_argument = matches!(name, "hdr" | "random" | "rdp-cookie");
    if argument.is_some() && !takes_argument && NAMES.contains(&name) {
        return bad_argument(word, format!("`{name}` has nothing in parentheses"));
    }
    cx.proxy.balance = Some(match name {
        "roundrobin" => Balance::RoundRobin,
        "static-rr" => Balance::StaticRr,
        "leastconn" => Balance::LeastConn,
        "first" => Balance::First,
        "random" => Balance::Random {
            draws: argument.map_or(Ok(2), |argument| draws(word, argument))?,
        },
        "source" => Balance::Hash(HashBy::Source),
        "uri" => Balance::Hash(HashBy::Uri(uri(args)?)),
        "url_param" => Balance::Hash(url_param(cx, args)?),
        "hdr" => Balance::Hash(header(cx, word, argument, args)?),
        "rdp-cookie" => {
            let name = argument.unwrap_or("mstshash");
            Balance::Hash(HashBy::Sample(fetch(
                cx,
                word,
                &format!("req.rdp_cookie({name})"),
            )?))
        }
        "hash" => {
            let word = args.expect("an expression such as `req.cookie(id)`")?;
            let expr = sampled::expression(word, &cx.scope(Place::ServerChoice).with_acls(&cx.acls))?;
            Balance::Hash(HashBy::Sample(expr))
        }
        "log-hash" => Balance::LogHash(log_hash(cx, args)?),
        "sticky" | "log-sticky" => Balance::Sticky,
        _ => {
            let known = NAMES.into_iter().chain(OF_LOGS);
            let message = format!("`{text}` is not an algorithm of `balance`");
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).suggest(name, known),
            ));
        }
    });
    Ok(())
}

/// The converters of `log-hash`.
fn log_hash(cx: &ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<Chain> {
    let word = args.expect("converters such as `field(2,:)`")?;
    let wrong = |message: String| Box::new(Diagnostic::error(code::BAD_ARGUMENT, word.span(), message));
    let chain = Chain::parse(word.text()?, &cx.scope(Place::Log))
        .map_err(|error| sampled::in_word(code::BAD_ARGUMENT, word, error))?;
    if chain.suspends() {
        return Err(wrong(format!(
            "`{}` is a script's, which needs a session, and log lines have none",
            word.lossy()
        )));
    }
    Ok(chain)
}

/// Holds the algorithm to the backend's mode.
pub(crate) fn settle(cx: &mut ProxyCx<'_>) {
    let is_log = cx.proxy.mode == Mode::Log;
    let (name, is_of_logs, is_of_sessions) = match &cx.proxy.balance {
        Some(Balance::LogHash(_)) => ("log-hash", true, false),
        Some(Balance::Sticky) => ("sticky", true, false),
        Some(Balance::RoundRobin) => ("roundrobin", true, true),
        None | Some(Balance::Random { .. }) => ("random", true, true),
        Some(Balance::StaticRr) => ("static-rr", false, true),
        Some(Balance::LeastConn) => ("leastconn", false, true),
        Some(Balance::First) => ("first", false, true),
        Some(Balance::Hash(_)) => ("hash", false, true),
    };
    let span = cx.proxy.name.span;
    if is_log && !is_of_logs {
        let message = format!(
            "`balance {name}` looks at sessions, and {} is in log mode",
            cx.described()
        );
        cx.diagnostics.push(
            Diagnostic::error(code::WRONG_MODE, span, message)
                .help("use `roundrobin`, `random`, `sticky` or `log-hash`"),
        );
    }
    if !is_log && !is_of_sessions {
        let message = format!(
            "`balance {name}` is for `mode log`, and {} is not in it",
            cx.described()
        );
        cx.diagnostics
            .push(Diagnostic::error(code::WRONG_MODE, span, message));
    }
    if name == "log-hash" && cx.proxy.hash_type.consistent {
        let message = "`balance log-hash` goes with `hash-type map-based` only";
        cx.diagnostics
            .push(Diagnostic::error(code::BAD_ARGUMENT, span, message));
    }
}

/// A name and what follows it in parentheses.
fn in_parentheses<'w>(word: &Word, text: &'w str) -> Parsed<(&'w str, Option<&'w str>)> {
    let Some((name, rest)) = text.split_once('(') else {
        return Ok((text, None));
    };
    match rest.strip_suffix(')') {
        Some(argument) if !argument.is_empty() => Ok((name, Some(argument))),
        Some(_) => bad_argument(word, format!("there is nothing in the parentheses of `{text}`")),
        None => bad_argument(word, format!("a closing parenthesis is missing in `{text}`")),
    }
}

fn draws(word: &Word, argument: &str) -> Parsed<u32> {
    match argument.parse::<u32>() {
        Ok(draws) if draws > 0 => Ok(draws.min(DRAWS_MAX)),
        _ => bad_argument(
            word,
            format!("`{argument}` is not a number of draws, which is 1 or more"),
        ),
    }
}

/// More draws than this change nothing any more.
const DRAWS_MAX: u32 = 4096;

fn uri(args: &mut Args<'_>) -> Parsed<UriPart> {
    let mut part = UriPart::default();
    loop {
        if args.take("whole") {
            part.whole = true;
        } else if args.take("path-only") {
            part.path_only = true;
        } else if args.take("len") {
            part.bytes_max = Some(args.integer(1, 0x7fff_ffff)?);
        } else if args.take("depth") {
            part.depth_max = Some(args.integer(1, 0x7fff_ffff)?);
        } else {
            return Ok(part);
        }
    }
}

fn url_param(cx: &ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<HashBy> {
    let word = args.expect("the name of a parameter")?;
    let name = word.text()?;
    let query = fetch(cx, word, &format!("url_param({name})"))?;
    if !args.take("check_post") {
        return Ok(HashBy::Sample(query));
    }
    // the longest wait, which HAProxy takes and ignores too
    if args.peek().is_some() {
        args.integer::<u32>(0, 0x7fff_ffff)?;
    }
    let body = fetch(cx, word, &format!("req.body_param({name})"))?;
    Ok(HashBy::Either(query, body))
}

fn header(cx: &ProxyCx<'_>, word: &Word, name: Option<&str>, args: &mut Args<'_>) -> Parsed<HashBy> {
    let Some(name) = name else {
        return bad_argument(word, "`hdr` has the name of a header in parentheses: `hdr(host)`");
    };
    let expr = fetch(cx, word, &format!("req.hdr({name},1)"))?;
    Ok(if args.take("use_domain_only") {
        HashBy::Domain(expr)
    } else {
        HashBy::Sample(expr)
    })
}

/// An expression for an argument that isn't one as it is written.
fn fetch(cx: &ProxyCx<'_>, word: &Word, text: &str) -> Parsed<Expr> {
    Expr::parse(text, &cx.scope(Place::ServerChoice))
        .map_err(|error| Box::new(Diagnostic::error(code::BAD_ARGUMENT, word.span(), error.message)))
}

/// `hash-type`.
pub(super) fn hash_type(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let methods = [("map-based", false), ("consistent", true)];
    let consistent = args.one_of("a method such as `consistent`", &methods)?;
    let mut kind = HashType {
        consistent,
        function: HashFunction::Sdbm,
        // a ring without a word on its function has one that mixes well
        avalanche: consistent,
    };
    if args.peek().is_some_and(|word| !word.is("avalanche")) {
        if let Some(word) = args.peek().filter(|word| word.is("wt6")) {
            return Err(Box::new(
                Diagnostic::error(code::LEFT_OUT, word.span(), "`hash-type … wt6` is not supported")
                    .note("this function is described nowhere but in HAProxy's source")
                    .help("`sdbm avalanche` mixes as well"),
            ));
        }
        let functions = [
            ("sdbm", HashFunction::Sdbm),
            ("djb2", HashFunction::Djb2),
            ("crc32", HashFunction::Crc32),
            ("none", HashFunction::None),
        ];
        kind.function = args.one_of("a function such as `crc32`", &functions)?;
        kind.avalanche = false;
    }
    kind.avalanche |= args.take("avalanche");
    cx.proxy.hash_type = kind;
    Ok(())
}

/// `hash-balance-factor`.
pub(super) fn hash_balance_factor(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let factor: u32 = args.integer(0, 65_535)?;
    if (1..=100).contains(&factor) {
        let message = format!("`{factor}` percent is no more than the average");
        return Err(Box::new(
            Diagnostic::error(code::BAD_NUMBER, args.last(), message)
                .help("0 sets no bound; else it is more than 100, such as 150"),
        ));
    }
    cx.proxy.hash_balance_factor = factor;
    Ok(())
}

/// `hash-preserve-affinity`.
pub(super) fn affinity(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let names = [
        ("always", Affinity::Always),
        ("maxconn", Affinity::Maxconn),
        ("maxqueue", Affinity::Maxqueue),
    ];
    cx.proxy.affinity = args.one_of("when a hash's server is kept", &names)?;
    Ok(())
}
