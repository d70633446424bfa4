//! `ring` and `log-profile` sections: where log lines are kept, and what they hold.

use std::collections::HashMap;

use tidegate_sample::{Externals, Files, Place, Scope};

use super::args::{Args, Parsed};
use super::elsewhere;
use super::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, served};
use super::log_forward::{FORWARD, ForwardCx};
use super::reader::Section;
use super::sampled;
use super::sections::SectionKind;
use super::server::check_name;
use super::server_origins::Origins;
use crate::diag::{Diagnostic, Diagnostics, Severity, code};
use crate::model::{
    Action, Global, LogFormatKind, LogForward, LogProfile, LogProfileStep, LogSink, LogTarget, Mode, Proxy,
    Ring, Rule,
};
use crate::source::{Span, Spanned};
use crate::text::Word;
use crate::units::TimeUnit;
use tidegate_sample::logformat::LogFormat;

/// Which of the sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogSection {
    Ring,
    Profile,
    Forward,
}

/// The sections of a configuration.
#[derive(Debug, Default)]
pub(crate) struct LogSections {
    pub(crate) rings: Vec<Ring>,
    pub(crate) profiles: Vec<LogProfile>,
    pub(crate) forwards: Vec<LogForward>,
}

/// What lines of a `log-profile` section act on.
struct ProfileCx<'c> {
    profile: LogProfile,
    scope: Scope<'c>,
}

/// What lines of a `ring` section act on.
struct RingCx<'c> {
    ring: Ring,
    scope: Scope<'c>,
    /// What is found in the parameters of a line.
    found: Diagnostics,
}

type RingLine = fn(&mut RingCx<'_>, &mut Args<'_>) -> Parsed<()>;
type ProfileLine = fn(&mut ProfileCx<'_>, &mut Args<'_>) -> Parsed<()>;

const NONE: Sections = Sections::NONE;

/// `tune.bufsize`'s default, which is a ring's too.
const RING_BYTES: u64 = 16_384;

#[rustfmt::skip]
const RING: &[Keyword<RingLine>] = &[
    served("description", NONE, "<text>", "words for people", |cx, args| {
        cx.ring.description = Some(args.joined("a text")?);
        Ok(())
    }),
    served("format", NONE, "<format>", "the form of lines", |cx, args| {
        cx.ring.format = Some(args.one_of("a log format", &LogFormatKind::NAMES)?);
        Ok(())
    }),
    served("maxlen", NONE, "<bytes>", "longest line", |cx, args| {
        cx.ring.line_bytes_max = Some(size(args)?);
        Ok(())
    }),
    served("size", NONE, "<size>", "the ring's size", |cx, args| {
        cx.ring.bytes_max = size(args)?;
        Ok(())
    }),
    served("timeout", NONE, "{ connect | server } <time>", "patience with the servers", |cx, args| {
        let is_connect = args.one_of("a timeout of a ring", &[("connect", true), ("server", false)])?;
        let time = Some(args.time(TimeUnit::Milliseconds)?);
        if is_connect { cx.ring.connect = time } else { cx.ring.server = time }
        Ok(())
    }),
    served("server", NONE, "<name> <address>:<port> [<param>...]", "send lines there", server),
    left_out("backing-file", NONE, "rings are kept in the process's own memory"),
];

#[rustfmt::skip]
const PROFILE: &[Keyword<ProfileLine>] = &[
    served("log-tag", NONE, "<string>", "the program's name in log lines", |cx, args| {
        cx.profile.tag = Some(args.text("a tag")?.to_owned());
        Ok(())
    }),
    served("on", NONE, "<step> [drop] [format <format>] [sd <format>]", "what is logged at a step", on),
];

/// The steps of `on`. Rules that log on purpose (`do-log`) have steps of their own, each named as their set of rules.
const STEPS: [&str; 15] = [
    "accept",
    "request",
    "connect",
    "response",
    "close",
    "error",
    "any",
    "tcp-req-conn",
    "tcp-req-sess",
    "tcp-req-cont",
    "tcp-res-cont",
    "http-req",
    "http-res",
    "http-after-res",
    "quic-init",
];

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    let rings = RING.iter().map(|row| row.doc("ring"));
    let profiles = PROFILE.iter().map(|row| row.doc("log-profile"));
    let forwards = FORWARD.iter().map(|row| row.doc("log-forward"));
    rings.chain(profiles).chain(forwards)
}

/// Whether a word is a keyword of the sections' lines.
pub(crate) fn has(word: &Word) -> bool {
    let mut names = RING.iter().map(|row| row.name);
    names.any(|name| word.is(name))
        || PROFILE.iter().any(|row| word.is(row.name))
        || FORWARD.iter().any(|row| word.is(row.name))
}

impl LogSections {
    /// Reads the sections.
    pub(crate) fn read(
        sections: &[Section],
        global: &Global,
        externals: &dyn Externals,
        files: &dyn Files,
        diagnostics: &mut Diagnostics,
    ) -> LogSections {
        let mut read = LogSections::default();
        let at = |place| Scope::new(place).with_externals(externals).with_files(files);
        let (scope, of_servers) = (at(Place::Log), at(Place::ServerConnect).without_session());
        let mut names: HashMap<(&str, String), Span> = HashMap::new();
        for section in sections {
            let SectionKind::Log(kind) = section.kind else {
                continue;
            };
            let name = match header(section) {
                Ok(name) => name,
                Err(diagnostic) => {
                    diagnostics.push(*diagnostic);
                    continue;
                }
            };
            let keyword = match kind {
                LogSection::Ring => "ring",
                LogSection::Profile => "log-profile",
                LogSection::Forward => "log-forward",
            };
            if let Some(first) = names.insert((keyword, name.value.clone()), name.span) {
                let message = format!(
                    "there is another section `{keyword}` of the name `{}`",
                    name.value
                );
                diagnostics.push(
                    Diagnostic::error(code::DUPLICATE_NAME, name.span, message)
                        .related(first, "the first one"),
                );
            }
            match kind {
                LogSection::Ring => read.rings.push(ring(name, section, of_servers, diagnostics)),
                LogSection::Profile => read.profiles.push(profile(name, section, scope, diagnostics)),
                LogSection::Forward => read.forwards.push(forward(name, section, global, diagnostics)),
            }
        }
        read
    }

    /// Checks what `log` lines and rules name.
    pub(crate) fn check(&self, global: &Global, proxies: &[Proxy], diagnostics: &mut Diagnostics) {
        let mut found = Diagnostics::default();
        let targets = proxies.iter().flat_map(|proxy| &proxy.log.targets);
        let forwarded = self.forwards.iter().flat_map(|forward| &forward.targets);
        for target in global.logs.iter().chain(targets).chain(forwarded) {
            self.target(target, &mut found);
            backend(target, proxies, &mut found);
        }
        for rule in proxies.iter().flat_map(|proxy| proxy.rules.all()) {
            if let Action::DoLog(Some(name)) = &rule.action {
                self.profile(name, &mut found);
            }
        }
        diagnostics.append_new(found);
    }

    fn target(&self, target: &LogTarget, diagnostics: &mut Diagnostics) {
        if let LogSink::Ring(name) = &target.sink
            && !self.rings.iter().any(|ring| ring.name.value == name.value)
        {
            let known = self.rings.iter().map(|ring| ring.name.value.as_str());
            diagnostics.push(missing("ring", name, known));
        }
        if let Some(name) = &target.profile {
            self.profile(name, diagnostics);
        }
    }

    fn profile(&self, name: &Spanned<String>, diagnostics: &mut Diagnostics) {
        let known = || self.profiles.iter().map(|profile| profile.name.value.as_str());
        if !known().any(|known| known == name.value) {
            diagnostics.push(missing("log-profile", name, known()));
        }
    }
}

/// Lines go to a backend of `mode log` only.
fn backend(target: &LogTarget, proxies: &[Proxy], diagnostics: &mut Diagnostics) {
    let LogSink::Backend(name) = &target.sink else {
        return;
    };
    let mut backends = proxies.iter().filter(|proxy| proxy.kind.is_backend());
    match backends.clone().find(|proxy| proxy.name.value == name.value) {
        Some(known) if known.mode == Mode::Log && !known.disabled => {}
        Some(known) => {
            let message = match known.disabled {
                true => format!("backend `{}` is disabled", name.value),
                false => format!("backend `{}` is not in log mode", name.value),
            };
            diagnostics.push(
                Diagnostic::error(code::WRONG_MODE, name.span, message)
                    .related(known.name.span, "the backend is defined here")
                    .help("log lines go to a backend with `mode log`"),
            );
        }
        None => {
            let known = backends
                .by_ref()
                .filter(|proxy| proxy.mode == Mode::Log)
                .map(|proxy| proxy.name.value.as_str());
            let message = format!("there is no backend `{}`", name.value);
            diagnostics.push(
                Diagnostic::error(code::UNKNOWN_BACKEND, name.span, message).suggest(&name.value, known),
            );
        }
    }
}

fn missing<'n>(section: &str, name: &Spanned<String>, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let message = format!("there is no section `{section} {}`", name.value);
    Diagnostic::error(code::BAD_ARGUMENT, name.span, message).suggest(&name.value, known)
}

fn header(section: &Section) -> Parsed<Spanned<String>> {
    let Some(keyword) = section.header.first() else {
        let message = "a section without a keyword";
        return Err(Box::new(Diagnostic::bare(
            Severity::Error,
            code::MISSING_ARGUMENT,
            message,
        )));
    };
    let mut args = Args::of_statement(keyword, &section.header);
    let word = args.expect("a name")?;
    check_name(word)?;
    let name = Spanned::new(word.text()?.to_owned(), word.span());
    args.end()?;
    Ok(name)
}

fn ring(name: Spanned<String>, section: &Section, scope: Scope<'_>, diagnostics: &mut Diagnostics) -> Ring {
    let ring = Ring {
        name,
        description: None,
        format: None,
        line_bytes_max: None,
        bytes_max: RING_BYTES,
        connect: None,
        server: None,
        servers: Vec::new(),
    };
    let mut cx = RingCx {
        ring,
        scope,
        found: Diagnostics::default(),
    };
    lines(section, RING, "in section `ring`", diagnostics, |parse, args| {
        parse(&mut cx, args)
    });
    diagnostics.append_new(cx.found);
    cx.ring
}

fn profile(
    name: Spanned<String>,
    section: &Section,
    scope: Scope<'_>,
    diagnostics: &mut Diagnostics,
) -> LogProfile {
    let profile = LogProfile {
        name,
        tag: None,
        steps: Vec::new(),
    };
    let mut cx = ProfileCx { profile, scope };
    lines(
        section,
        PROFILE,
        "in section `log-profile`",
        diagnostics,
        |parse, args| parse(&mut cx, args),
    );
    cx.profile
}

fn forward(
    name: Spanned<String>,
    section: &Section,
    global: &Global,
    diagnostics: &mut Diagnostics,
) -> LogForward {
    let mut cx = ForwardCx::new(name, global);
    lines(
        section,
        FORWARD,
        "in section `log-forward`",
        diagnostics,
        |parse, args| parse(&mut cx, args),
    );
    diagnostics.append_new(cx.found);
    cx.forward
}

fn lines<F: Copy>(
    section: &Section,
    rows: &'static [Keyword<F>],
    place: &str,
    diagnostics: &mut Diagnostics,
    mut parse: impl FnMut(F, &mut Args<'_>) -> Parsed<()>,
) {
    for words in &section.statements {
        let Some(keyword) = words.first() else { continue };
        let mut args = Args::of_statement(keyword, words);
        let result = look_up(&[rows], keyword, "", place)
            .map_err(|diagnostic| elsewhere::known(diagnostic, keyword))
            .and_then(|found| match found {
                Found::Served(_, line) => {
                    parse(*line, &mut args)?;
                    args.end()
                }
                Found::Nothing(notice) => Err(notice),
            });
        if let Err(diagnostic) = result {
            diagnostics.push(*diagnostic);
        }
    }
}

fn size(args: &mut Args<'_>) -> Parsed<u64> {
    let place = args.peek();
    match (args.size()?, place) {
        (0, Some(word)) => Err(Box::new(Diagnostic::error(
            code::BAD_NUMBER,
            word.span(),
            "a size of zero",
        ))),
        (size, _) => Ok(size),
    }
}

fn server(cx: &mut RingCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let mut server = super::server::plain(
        args,
        &Origins::default(),
        "a ring's",
        &["log-proto"],
        &mut cx.found,
    )?;
    super::proxy::outgoing(&cx.scope, &mut server.outgoing)?;
    let servers = &mut cx.ring.servers;
    if let Some(first) = servers.iter().find(|known| known.name.value == server.name.value) {
        let message = format!("there is another server of the name `{}`", server.name.value);
        return Err(Box::new(
            Diagnostic::error(code::DUPLICATE_NAME, server.name.span, message)
                .related(first.name.span, "the first one"),
        ));
    }
    servers.push(server);
    Ok(())
}

fn on(cx: &mut ProfileCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let step = args.one_of("a step of logging", &STEPS.map(|step| (step, step)))?;
    let mut line = LogProfileStep {
        step,
        drop: false,
        format: None,
        structured: None,
    };
    #[derive(Clone, Copy)]
    enum Part {
        Drop,
        Format,
        Structured,
    }
    let parts = [
        ("drop", Part::Drop),
        ("format", Part::Format),
        ("sd", Part::Structured),
    ];
    while args.peek().is_some() {
        match args.one_of("a parameter of `on`", &parts)? {
            Part::Drop => line.drop = true,
            Part::Format => line.format = Some(format(cx, args)?),
            Part::Structured => line.structured = Some(format(cx, args)?),
        }
    }
    // The last line of a step counts.
    cx.profile.steps.retain(|known| known.step != step);
    cx.profile.steps.push(line);
    Ok(())
}

fn format(cx: &ProfileCx<'_>, args: &mut Args<'_>) -> Parsed<LogFormat> {
    let word = args.expect("a log-format string")?;
    LogFormat::parse_log(word.text()?, &cx.scope)
        .map_err(|error| sampled::in_word(code::BAD_LOG_FORMAT, word, error))
}

/// The number of a slot that a rule of a frontend names must be that of one.
pub(crate) fn slots(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    if !proxy.kind.is_frontend() {
        return;
    }
    let rules: Vec<&Rule> = proxy.rules.all().collect();
    for rule in rules {
        let Action::Capture { response, slot, .. } = &rule.action else {
            continue;
        };
        let (way, slots) = match response {
            true => ("responses", &proxy.captures.response),
            false => ("requests", &proxy.captures.request),
        };
        if slot.value as usize >= slots.len() {
            let message = format!(
                "{} has no slot {} for {way}: there are {}",
                super::proxy::described(proxy),
                slot.value,
                slots.len()
            );
            diagnostics.push(
                Diagnostic::error(code::BAD_NUMBER, slot.span, message).help(
                    "slots are numbered from 0, in the order of their lines; `declare capture` makes one",
                ),
            );
        }
    }
}
