//! What the scripts registered, by name: for whoever resolves the configuration's `lua.NAME`.

use tidegate_proxy::ext::ExtensionId;
use tidegate_sample::{ExternalId, Externals};

use crate::env::Item;
use crate::run::Kind;

/// The rule sets that an action can be registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleSet {
    /// `tcp-request content`, and its kin.
    TcpRequest,
    /// `tcp-response content`.
    TcpResponse,
    /// `http-request`.
    HttpRequest,
    /// `http-response`.
    HttpResponse,
    /// `http-after-response`.
    HttpAfterResponse,
}

impl RuleSet {
    /// All of them.
    pub const ALL: [RuleSet; 5] = [
        RuleSet::TcpRequest,
        RuleSet::TcpResponse,
        RuleSet::HttpRequest,
        RuleSet::HttpResponse,
        RuleSet::HttpAfterResponse,
    ];

    /// The word by which `core.register_action` knows it.
    pub fn name(self) -> &'static str {
        match self {
            RuleSet::TcpRequest => "tcp-req",
            RuleSet::TcpResponse => "tcp-res",
            RuleSet::HttpRequest => "http-req",
            RuleSet::HttpResponse => "http-res",
            RuleSet::HttpAfterResponse => "http-after-res",
        }
    }
}

/// What is registered, and under which name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Action(RuleSet, String),
    HttpService(String),
    TcpService(String),
    Fetch(String),
    Converter(String),
    Command(String),
    Filter(String),
}

impl Key {
    /// Why its function runs.
    pub(crate) fn run_kind(&self) -> Kind {
        match self {
            Key::Action(..) => Kind::Action,
            Key::HttpService(_) | Key::TcpService(_) => Kind::Service,
            Key::Fetch(_) => Kind::Fetch,
            Key::Converter(_) => Kind::Converter,
            Key::Command(_) => Kind::Command,
            Key::Filter(_) => Kind::Filter,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Key::Action(_, name)
            | Key::HttpService(name)
            | Key::TcpService(name)
            | Key::Fetch(name)
            | Key::Converter(name)
            | Key::Command(name)
            | Key::Filter(name) => name,
        }
    }

    /// What messages call it.
    pub(crate) fn described(&self) -> String {
        match self {
            Key::Action(rules, name) => format!("action `{name}` for `{}`", rules.name()),
            Key::HttpService(name) => format!("http service `{name}`"),
            Key::TcpService(name) => format!("tcp service `{name}`"),
            Key::Fetch(name) => format!("fetch `{name}`"),
            Key::Converter(name) => format!("converter `{name}`"),
            Key::Command(words) => format!("command `{words}`"),
            Key::Filter(name) => format!("filter `{name}`"),
        }
    }

    /// What it is, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Key::Action(rules, _) => rules.name(),
            Key::HttpService(_) => "http",
            Key::TcpService(_) => "tcp",
            Key::Fetch(_) => "fetch",
            Key::Converter(_) => "converter",
            Key::Command(_) => "cli",
            Key::Filter(_) => "filter",
        }
    }
}

/// Who may give a command of the runtime API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandLevel {
    /// Whoever may connect.
    #[default]
    User,
    /// Operators.
    Operator,
    /// Administrators.
    Admin,
}

impl CommandLevel {
    /// The level of a name.
    pub(crate) fn from_name(name: &[u8]) -> Option<CommandLevel> {
        Some(match name {
            b"user" => CommandLevel::User,
            b"operator" => CommandLevel::Operator,
            b"admin" => CommandLevel::Admin,
            _ => return None,
        })
    }
}

/// A command of the runtime API as its list of commands shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandDecl {
    /// The words by which it is called, with blanks between them.
    pub words: String,
    /// What the list says of it.
    pub usage: String,
    /// Who may give it.
    pub level: CommandLevel,
}

/// An action as a rule refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionDecl {
    /// The name, without `lua.`.
    pub name: String,
    /// The rule set it was registered for.
    pub rules: RuleSet,
    /// How many words of the rule are its arguments.
    pub nb_args: usize,
    /// Its number, for [`Extensions::action`](tidegate_proxy::ext::Extensions::action).
    pub id: ExtensionId,
}

/// A filter as a configuration refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterDecl {
    /// The name, without `lua.`.
    pub name: String,
    /// It says that it is for HTTP too (`filter.FLT_CFG_FL_HTX`).
    pub http: bool,
}

/// All that scripts registered. As [`Externals`] it knows the fetches and converters by their whole names.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub(crate) actions: Vec<ActionDecl>,
    pub(crate) http_services: Vec<String>,
    pub(crate) tcp_services: Vec<String>,
    pub(crate) fetches: Vec<String>,
    pub(crate) converters: Vec<String>,
    pub(crate) commands: Vec<CommandDecl>,
    pub(crate) filters: Vec<FilterDecl>,
}

impl Declared {
    /// The commands of the runtime API.
    pub fn commands(&self) -> &[CommandDecl] {
        &self.commands
    }

    /// All filters; their places are their numbers.
    pub fn filters(&self) -> &[FilterDecl] {
        &self.filters
    }

    /// The number of the filter of this name (without `lua.`).
    pub fn filter(&self, name: &str) -> Option<ExtensionId> {
        self.filters.iter().position(|known| known.name == name)
    }

    /// The action of this name (without `lua.`) for that rule set.
    pub fn action(&self, rules: RuleSet, name: &str) -> Option<&ActionDecl> {
        self.actions.iter().find(|a| a.rules == rules && a.name == name)
    }

    /// All actions, for messages and listings.
    pub fn actions(&self) -> &[ActionDecl] {
        &self.actions
    }

    /// The number of the HTTP service of this name (without `lua.`).
    pub fn http_service(&self, name: &str) -> Option<ExtensionId> {
        self.http_services.iter().position(|known| known == name)
    }

    /// The number of the TCP service of this name (without `lua.`).
    pub fn tcp_service(&self, name: &str) -> Option<ExtensionId> {
        self.tcp_services.iter().position(|known| known == name)
    }

    /// The names of all HTTP services.
    pub fn http_services(&self) -> &[String] {
        &self.http_services
    }

    /// The names of all TCP services.
    pub fn tcp_services(&self) -> &[String] {
        &self.tcp_services
    }

    /// Adds what a state registered; numbers go by the order.
    pub(crate) fn add(&mut self, item: &Item) {
        let name = item.key.name().to_owned();
        match &item.key {
            Key::Action(rules, _) => self.actions.push(ActionDecl {
                name,
                rules: *rules,
                nb_args: item.nb_args,
                id: self.actions.len(),
            }),
            Key::HttpService(_) => self.http_services.push(name),
            Key::TcpService(_) => self.tcp_services.push(name),
            Key::Fetch(_) => self.fetches.push(name),
            Key::Converter(_) => self.converters.push(name),
            Key::Filter(_) => {
                let class = item.class.as_ref();
                let http = class.is_some_and(|class| crate::filter::is_for_http(class).unwrap_or(false));
                self.filters.push(FilterDecl { name, http });
            }
            Key::Command(_) => {
                let (usage, level) = item.usage.clone().unwrap_or_default();
                self.commands.push(CommandDecl {
                    words: name,
                    usage,
                    level,
                });
            }
        }
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        match key {
            Key::Action(rules, name) => self.action(*rules, name).is_some(),
            Key::HttpService(name) => self.http_services.contains(name),
            Key::TcpService(name) => self.tcp_services.contains(name),
            Key::Fetch(name) => self.fetches.contains(name),
            Key::Converter(name) => self.converters.contains(name),
            Key::Filter(name) => self.filter(name).is_some(),
            Key::Command(words) => self.commands.iter().any(|known| known.words == *words),
        }
    }
}

impl Externals for Declared {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        external(&self.fetches, name)
    }

    fn converter(&self, name: &str) -> Option<ExternalId> {
        external(&self.converters, name)
    }

    fn fetch_names(&self) -> Vec<String> {
        whole_names(&self.fetches)
    }

    fn converter_names(&self) -> Vec<String> {
        whole_names(&self.converters)
    }
}

fn external(names: &[String], whole: &str) -> Option<ExternalId> {
    let name = whole.strip_prefix("lua.")?;
    let at = names.iter().position(|known| known == name)?;
    u32::try_from(at).ok().map(ExternalId)
}

fn whole_names(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("lua.{name}")).collect()
}
