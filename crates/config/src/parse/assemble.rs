//! From sections to proxies: which `defaults` apply, and the lines of both in their order.

use std::collections::HashMap;

use tidegate_sample::AclSet;
use tidegate_sample::Externals;

use super::address::endpoint;
use super::args::{Args, Parsed};
use super::check;
use super::hints;
use super::keyword::Sections;
use super::names::ProxyNames;
use super::order::Order;
use super::pattern_files;
use super::proxy::{self, ProxyCx, section_of};
use super::reader::{Draft, ReaderFiles, Section};
use super::sections::SectionKind;
use super::server::{ServerSettings, check_name};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    Balance, Config, ConnectionMode, Global, HttpReuse, LogSettings, Mode, Proxy, ProxyId, ProxyKind,
    RetryCount, RuleSet, Timeouts,
};
use crate::resolve::{self, Registered};
use crate::source::{Sources, Span, Spanned, to_u32};
use crate::text::{FileReader, Word};

/// What reading a configuration gave.
#[derive(Debug)]
pub struct Loaded {
    /// The model, when there is no error.
    pub config: Option<Config>,
    /// All faults, in the order of their places.
    pub diagnostics: Diagnostics,
    /// The texts that the diagnostics, and spans in the model, point into.
    pub sources: Sources,
}

impl Draft {
    /// Reads the proxies. `externals` are the fetches and converters that scripts registered. The names of
    /// actions and services are left for the program to resolve.
    pub fn finish(self, externals: &dyn Externals, reader: &dyn FileReader) -> Loaded {
        self.finish_with(externals, None, reader)
    }

    /// As [`finish`](Self::finish), and holds the names of actions and services to what scripts registered.
    pub fn finish_with(
        mut self,
        externals: &dyn Externals,
        registered: Option<&dyn Registered>,
        reader: &dyn FileReader,
    ) -> Loaded {
        let plan = Plan::of(&self.sections, &mut self.diagnostics);
        let mut proxies = Vec::new();
        let parts = Parts {
            sections: &self.sections,
            plan: &plan,
            global: &self.global,
            externals,
            files: ReaderFiles {
                reader,
                lists: &self.lists,
            },
        };
        for planned in &plan.proxies {
            let mut found = Diagnostics::default();
            proxies.push(parts.proxy(planned, &mut found));
            self.diagnostics.append_new(found);
        }
        for defaults in 0..plan.defaults.len() {
            let mut found = Diagnostics::default();
            parts.defaults(defaults, &mut found);
            self.diagnostics.append_new(found);
        }
        check::proxies(&proxies, &mut self.diagnostics);
        if let Some(registered) = registered {
            resolve::lua_names(&proxies, registered, &mut self.diagnostics);
        }
        hints::variables(
            &mut self.diagnostics,
            &self.sources,
            &self.trees,
            &self.environment,
        );
        pattern_files::expand(&mut self.diagnostics, &mut self.sources);
        self.diagnostics.sort();
        let config = (!self.diagnostics.has_errors()).then_some(Config {
            global: self.global,
            proxies,
            environment: self.environment,
            lists: self.lists,
        });
        Loaded {
            config,
            diagnostics: self.diagnostics,
            sources: self.sources,
        }
    }
}

/// Which sections there are, and which `defaults` each of them has.
struct Plan {
    defaults: Vec<PlannedDefaults>,
    proxies: Vec<PlannedProxy>,
    names: ProxyNames,
}

struct PlannedDefaults {
    /// Its place in the list of sections.
    section: usize,
    named: bool,
    /// The `defaults` section that it begins with.
    from: Option<usize>,
}

struct PlannedProxy {
    section: usize,
    kind: ProxyKind,
    name: Spanned<String>,
    defaults: Option<usize>,
    /// Whether the header was without fault.
    sound: bool,
}

impl Plan {
    fn of(sections: &[Section], diagnostics: &mut Diagnostics) -> Plan {
        let mut plan = Plan {
            defaults: Vec::new(),
            proxies: Vec::new(),
            names: ProxyNames::default(),
        };
        let mut by_name: HashMap<String, (usize, Span)> = HashMap::new();
        for (at, section) in sections.iter().enumerate() {
            let Some(keyword) = section.header.first() else {
                continue;
            };
            let mut args = Args::of_statement(keyword, &section.header);
            let result = match section.kind {
                SectionKind::Defaults => plan.defaults(at, &mut args, &mut by_name, sections),
                SectionKind::Proxy(kind) => {
                    plan.proxy(at, kind, &mut args, (&by_name, sections), diagnostics)
                }
                SectionKind::Global | SectionKind::Other(_) => Ok(()),
            };
            if let Err(diagnostic) = result {
                diagnostics.push(*diagnostic);
            }
        }
        plan
    }

    fn defaults(
        &mut self,
        section: usize,
        args: &mut Args<'_>,
        by_name: &mut HashMap<String, (usize, Span)>,
        sections: &[Section],
    ) -> Parsed<()> {
        let name = args.peek().filter(|word| !word.is("from"));
        let id = self.defaults.len();
        // the section counts from here on, whatever is wrong with its header
        self.defaults.push(PlannedDefaults {
            section,
            named: name.is_some(),
            from: None,
        });
        if name.is_some() {
            args.next();
        }
        let from = from(args, by_name, sections);
        if let (Ok(from), Some(planned)) = (&from, self.defaults.last_mut()) {
            planned.from = *from;
        }
        if let Some(word) = name {
            check_name(word)?;
            if let Some((_, first)) = by_name.insert(word.text()?.to_owned(), (id, word.span())) {
                return Err(duplicate(word, "defaults section", first));
            }
        }
        from?;
        args.end()
    }

    fn proxy(
        &mut self,
        section: usize,
        kind: ProxyKind,
        args: &mut Args<'_>,
        (by_name, sections): (&HashMap<String, (usize, Span)>, &[Section]),
        diagnostics: &mut Diagnostics,
    ) -> Parsed<()> {
        let keyword = args.last();
        let word = args.expect("a name");
        let from = from(args, by_name, sections);
        let defaults = match &from {
            Ok(Some(defaults)) => Some(*defaults),
            _ => self.defaults.len().checked_sub(1),
        };
        let name = match &word {
            Ok(word) => Spanned::new(word.lossy().into_owned(), word.span()),
            Err(_) => Spanned::new(String::new(), keyword),
        };
        let id = ProxyId(to_u32(self.proxies.len()));
        let taken = if name.is_empty() {
            None
        } else {
            self.names.add(kind, &name, id, name.span)
        };
        let sound = from.is_ok() && args.rest().is_empty();
        self.proxies.push(PlannedProxy {
            section,
            kind,
            name,
            defaults,
            sound,
        });
        let word = word?;
        check_name(word)?;
        if let Some(first) = taken {
            diagnostics.push(*duplicate(word, "proxy", first));
        }
        from?;
        args.end()
            .map_err(|diagnostic| Box::new(header_advice(*diagnostic, args)))
    }

    /// A `defaults` section and those that it begins with, the first one first.
    fn chain(&self, mut id: Option<usize>) -> Vec<&PlannedDefaults> {
        let mut chain = Vec::new();
        // `from` names sections that stand before, so there is no circle
        while let Some(defaults) = id.and_then(|id| self.defaults.get(id)) {
            chain.push(defaults);
            id = defaults.from;
        }
        chain.reverse();
        chain
    }
}

/// `from NAME` at the end of a header.
fn from(
    args: &mut Args<'_>,
    by_name: &HashMap<String, (usize, Span)>,
    sections: &[Section],
) -> Parsed<Option<usize>> {
    if !args.take("from") {
        return Ok(None);
    }
    let word = args.expect("the name of a `defaults` section")?;
    let name = word.text()?;
    if let Some((id, _)) = by_name.get(name) {
        return Ok(Some(*id));
    }
    let message = format!("there is no `defaults` section `{name}` above");
    let mut names: Vec<&str> = by_name.keys().map(String::as_str).collect();
    names.sort_unstable();
    let diagnostic = Diagnostic::error(code::UNKNOWN_DEFAULTS, word.span(), message);
    // it isn't among those above
    let below = sections
        .iter()
        .filter(|section| matches!(section.kind, SectionKind::Defaults))
        .filter_map(|section| section.header.get(1))
        .find(|known| known.is(name));
    Err(Box::new(match below {
        Some(below) => diagnostic
            .related(below.span(), "it is defined below")
            .help("move it before the sections that begin with it"),
        None => diagnostic.suggest(name, names),
    }))
}

/// What was meant by words that don't belong on a header.
fn header_advice(diagnostic: Diagnostic, args: &Args<'_>) -> Diagnostic {
    let Some(word) = args.peek() else {
        return diagnostic;
    };
    if word.is("{") {
        return diagnostic.help("a section has no braces: it ends where the next one begins");
    }
    if endpoint(word, true).is_ok() {
        return diagnostic.help(format!(
            "addresses are on lines of their own: `bind {}`",
            word.lossy()
        ));
    }
    diagnostic
}

fn duplicate(word: &Word, what: &str, first: Span) -> Box<Diagnostic> {
    let message = format!("there is another {what} of the name `{}`", word.lossy());
    Box::new(Diagnostic::error(code::DUPLICATE_NAME, word.span(), message).related(first, "the first one"))
}

/// What proxies are made from.
struct Parts<'p> {
    sections: &'p [Section],
    plan: &'p Plan,
    global: &'p Global,
    externals: &'p dyn Externals,
    files: ReaderFiles<'p>,
}

impl Parts<'_> {
    fn proxy(&self, planned: &PlannedProxy, diagnostics: &mut Diagnostics) -> Proxy {
        let mut cx = self.cx(planned.kind, planned.name.clone(), diagnostics);
        for defaults in self.plan.chain(planned.defaults) {
            self.defaults_lines(&mut cx, defaults);
        }
        cx.section = section_of(planned.kind);
        self.lines(&mut cx, planned.section);
        check::settle(&mut cx, planned.sound);
        cx.proxy
    }

    /// Checks a `defaults` section as if a `listen` section used it: those that do use it may each ignore some of
    /// its lines, and maybe none does.
    fn defaults(&self, id: usize, diagnostics: &mut Diagnostics) {
        let Some(defaults) = self.plan.defaults.get(id) else {
            return;
        };
        let header = self
            .sections
            .get(defaults.section)
            .and_then(|section| section.header.first());
        let Some(header) = header else { return };
        let name = Spanned::new(String::from("defaults"), header.span());
        let mut cx = self.cx(ProxyKind::Listen, name, diagnostics);
        for defaults in self.plan.chain(Some(id)) {
            self.defaults_lines(&mut cx, defaults);
        }
    }

    fn defaults_lines(&self, cx: &mut ProxyCx<'_>, defaults: &PlannedDefaults) {
        cx.section = Sections::DEFAULTS;
        cx.named_defaults = defaults.named;
        self.lines(cx, defaults.section);
    }

    fn lines(&self, cx: &mut ProxyCx<'_>, section: usize) {
        let Some(section) = self.sections.get(section) else {
            return;
        };
        proxy::declare_acls(cx, section.statements.iter().map(Vec::as_slice));
        for words in &section.statements {
            proxy::statement(cx, words);
        }
    }

    fn cx<'c>(
        &'c self,
        kind: ProxyKind,
        name: Spanned<String>,
        diagnostics: &'c mut Diagnostics,
    ) -> ProxyCx<'c> {
        ProxyCx {
            proxy: fresh(kind, name),
            section: section_of(kind),
            named_defaults: false,
            acls: AclSet::default(),
            server_defaults: ServerSettings::default(),
            log_format: None,
            order: Order::default(),
            names: &self.plan.names,
            global: self.global,
            externals: self.externals,
            files: &self.files,
            diagnostics,
        }
    }
}

fn fresh(kind: ProxyKind, name: Spanned<String>) -> Proxy {
    Proxy {
        kind,
        name,
        id: None,
        description: None,
        disabled: false,
        mode: Mode::default(),
        binds: Vec::new(),
        servers: Vec::new(),
        connections_max: None,
        backlog: None,
        timeouts: Timeouts::default(),
        rules: RuleSet::default(),
        use_backends: Vec::new(),
        default_backend: None,
        balance: Balance::default(),
        retries: RetryCount::default(),
        http_reuse: HttpReuse::default(),
        connection_mode: ConnectionMode::default(),
        forward_for: None,
        buffer_request: false,
        redispatch: false,
        log: LogSettings::default(),
    }
}
