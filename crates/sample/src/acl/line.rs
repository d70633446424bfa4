//! One ACL line: an expression, a match method, flags and patterns.

use super::keyword;
use super::patterns::Patterns;
use crate::did_you_mean::did_you_mean;
use crate::error::{ParseError, WordError};
use crate::expr::Expr;
use crate::pattern::MatchMethod;
use crate::scope::{ExternalRunner, Files, Scope};
use crate::session::Session;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// One ACL line without its name.
#[derive(Debug)]
pub struct Acl {
    expr: Expr,
    patterns: Patterns,
}

/// What testing a condition or an ACL gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not match.
    Fail,
    /// It does not match yet: more data may come that it depends on.
    Miss,
    /// It matches.
    Pass,
}

impl Acl {
    /// Parses the words after an ACL's name: expression, flags, patterns.
    ///
    /// The second part of the result is what should be warned of.
    ///
    /// # Errors
    /// The expression, a flag or a pattern is wrong, or the match method cannot be told.
    pub fn parse(words: &[&str], scope: &Scope<'_>) -> Result<(Acl, Vec<WordError>), WordError> {
        let Some((first, rest)) = words.split_first() else {
            return Err(ParseError::new(0..0, "missing a fetch in the ACL").in_word(0));
        };
        let (expr, keyword_method) = expression(first, scope).map_err(|error| error.in_word(0))?;
        let flags = Flags::read(rest).map_err(|error| WordError {
            word: error.word + 1,
            ..error
        })?;
        // With converters the keyword stands for its fetch alone, as in HAProxy.
        let meant = keyword_method.filter(|_| expr.converts());
        let keyword_method = keyword_method.filter(|_| !expr.converts());
        let usual = MatchMethod::of_type(expr.output());
        let Some(method) = flags.method.or(keyword_method).or(usual) else {
            let message = format!(
                "`{first}` gives {}, for which there is no usual match method",
                expr.output()
            );
            return Err(ParseError::new(0..first.len(), message)
                .help("name one with `-m`, such as `-m str` or `-m found`")
                .in_word(0));
        };
        if !crate::cast::castable(expr.output(), method.input()) {
            let message = format!(
                "`{first}` gives {}, which `-m {method}` cannot match",
                expr.output()
            );
            return Err(ParseError::new(0..first.len(), message).in_word(0));
        }
        let mut patterns = Patterns::new(method);
        if flags.method.is_none() && keyword_method.is_some() && name_of(first) == keyword::GROUPS {
            patterns.of_groups(expr.userlist());
        }
        for file in &flags.files {
            patterns
                .file(file.name, file.map, file.ignore_case, scope)
                .map_err(|error| error.in_word(file.word + 1))?;
        }
        let versions =
            flags.method.is_none() && keyword_method.is_some() && keyword::takes_versions(name_of(first));
        let words = rest.get(flags.used..).unwrap_or_default();
        let addresses = match method {
            MatchMethod::Ip if !flags.no_hosts => addresses(words, scope.files),
            _ => Vec::new(),
        };
        let addressed: Vec<&str> = addresses.iter().map(|word| &**word).collect();
        let words = if addressed.is_empty() { words } else { &addressed };
        patterns
            .words(words, flags.ignore_case, versions)
            .map_err(|error| WordError {
                word: error.word + flags.used + 1,
                ..error
            })?;
        let acl = Acl { expr, patterns };
        let mut warnings = Vec::new();
        if let Some(meant) = meant.filter(|meant| flags.method.is_none() && *meant != method) {
            let message = format!("after a converter `{first}` is matched as `-m {method}`");
            let help = format!("add `-m {meant}` if that is meant, or `-m {method}` to say so");
            warnings.push(ParseError::new(0..first.len(), message).help(help).in_word(0));
        }
        if acl.patterns.never_match() && !flags.ended && flags.files.is_empty() {
            warnings.push(
                ParseError::new(
                    0..first.len(),
                    "there is no pattern to match, so this ACL never matches",
                )
                .help("add patterns, `-m found` to match any value, or `--` if this is meant")
                .in_word(0),
            );
        }
        Ok((acl, warnings))
    }

    /// The expression.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Tests an ACL whose expression does not suspend.
    pub fn test(&self, session: &dyn Session) -> Verdict {
        let flow = self.expr.eval_each(session, &mut |value| {
            if self.patterns.matches(value) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        self.verdict(flow.is_break(), session)
    }

    /// Tests any ACL, waiting where it must.
    pub async fn test_async(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> Verdict {
        if !self.expr.suspends() {
            return self.test(session);
        }
        let is = |value| self.patterns.matches(value);
        let matched = self.expr.any_async(session, runner, &is).await;
        self.verdict(matched, session)
    }

    fn verdict(&self, matched: bool, session: &dyn Session) -> Verdict {
        if matched {
            Verdict::Pass
        } else if self.expr.may_change(session) {
            Verdict::Miss
        } else {
            Verdict::Fail
        }
    }
}

/// Patterns of addresses, with the addresses of hosts in the place of their names.
fn addresses<'w>(words: &[&'w str], files: &dyn Files) -> Vec<Cow<'w, str>> {
    let address = |word: &'w str| {
        let (host, mask) = word.split_at(word.find('/').unwrap_or(word.len()));
        let is_host = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':');
        match is_host.then(|| files.address_of(host)) {
            Some(Ok(address)) => Cow::Owned(format!("{address}{mask}")),
            _ => Cow::Borrowed(word),
        }
    };
    words.iter().map(|word| address(word)).collect()
}

/// The name that an expression begins with.
fn name_of(text: &str) -> &str {
    text.split(['(', ',']).next().unwrap_or(text)
}

/// The expression of an ACL, and the match method if its first name is an ACL keyword.
fn expression(text: &str, scope: &Scope<'_>) -> Result<(Expr, Option<MatchMethod>), ParseError> {
    let name = name_of(text);
    let rest = text.get(name.len()..).unwrap_or_default();
    if let Some((fetch, method)) = keyword::find(name) {
        let by = name.len() as isize - fetch.len() as isize;
        let expr = Expr::parse(&format!("{fetch}{rest}"), scope).map_err(|mut error| {
            // Back from the fetch's name to the keyword's.
            let moved = |at: usize| {
                if at >= fetch.len() {
                    at.saturating_add_signed(by)
                } else {
                    at.min(name.len())
                }
            };
            error.span = moved(error.span.start)..moved(error.span.end);
            error
        })?;
        return Ok((expr, Some(method)));
    }
    Expr::parse(text, scope)
        .map(|expr| (expr, None))
        .map_err(|error| {
            let unknown = error.span == (0..name.len()) && error.message.starts_with("unknown fetch");
            if !unknown {
                return error;
            }
            let keywords: Vec<String> = keyword::keywords().map(|(name, ..)| name).collect();
            let fetches = crate::fetch::all().map(|row| row.name);
            let known = scope.externals.fetch_names();
            let names = keywords
                .iter()
                .map(String::as_str)
                .chain(fetches)
                .chain(known.iter().map(String::as_str));
            let suggestion = did_you_mean(name, names).map(str::to_string);
            error.suggest(suggestion)
        })
}

/// The flags between the expression and the patterns.
struct Flags<'a> {
    method: Option<MatchMethod>,
    ignore_case: bool,
    map: bool,
    /// Names of hosts are no patterns.
    no_hosts: bool,
    files: Vec<FileFlag<'a>>,
    /// `--` was given.
    ended: bool,
    /// How many words the flags took.
    used: usize,
}

/// `-f`, and the flags that were given before it.
struct FileFlag<'a> {
    /// The index of the name's word.
    word: usize,
    name: &'a str,
    ignore_case: bool,
    map: bool,
}

impl<'a> Flags<'a> {
    fn read(words: &[&'a str]) -> Result<Flags<'a>, WordError> {
        let mut flags = Flags {
            method: None,
            ignore_case: false,
            map: false,
            no_hosts: false,
            files: Vec::new(),
            ended: false,
            used: 0,
        };
        while let Some(&flag) = words.get(flags.used) {
            let at = flags.used;
            let argument = |what: &str| {
                words.get(at + 1).copied().ok_or_else(|| {
                    ParseError::new(0..flag.len(), format!("`{flag}` misses {what}")).in_word(at)
                })
            };
            flags.used += match flag {
                "-i" => {
                    flags.ignore_case = true;
                    1
                }
                "-n" => {
                    flags.no_hosts = true;
                    1
                }
                "-M" => {
                    flags.map = true;
                    1
                }
                "-m" if flags.files.is_empty() => {
                    let name = argument("a match method")?;
                    let names = || MatchMethod::ALL.map(MatchMethod::name);
                    let method = MatchMethod::from_name(name).ok_or_else(|| {
                        ParseError::new(0..name.len(), format!("unknown match method `{name}`"))
                            .help(format!("the methods are {}", names().join(", ")))
                            .suggest(did_you_mean(name, names()))
                            .in_word(at + 1)
                    })?;
                    flags.method = Some(method);
                    2
                }
                "-m" => {
                    let message = "`-m` stands after `-f`, whose file it says how to read";
                    return Err(ParseError::new(0..flag.len(), message)
                        .help("put `-m` before the files")
                        .in_word(at));
                }
                "-f" => {
                    flags.files.push(FileFlag {
                        word: at + 1,
                        name: argument("a file name")?,
                        ignore_case: flags.ignore_case,
                        map: flags.map,
                    });
                    2
                }
                "-u" => {
                    let id = argument("an identifier")?;
                    if id.parse::<u32>().is_err() {
                        let message = format!("`{id}` is not a number, which `-u` takes");
                        return Err(ParseError::new(0..id.len(), message).in_word(at + 1));
                    }
                    2
                }
                "--" => {
                    flags.ended = true;
                    flags.used += 1;
                    break;
                }
                flag if flag.starts_with('-') => {
                    return Err(
                        ParseError::new(0..flag.len(), format!("unknown ACL flag `{flag}`"))
                            .help("put `--` before patterns that begin with a dash")
                            .in_word(at),
                    );
                }
                _ => break,
            };
        }
        Ok(flags)
    }
}
