//! Rules, and what scripts registered for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use tidegate_config::model::{self, Action, HeaderMatch as ModelMatch, LuaCall};
use tidegate_config::{Diagnostic, Span, Spanned, code, unknown_lua_name};
use tidegate_lua_api::RuleSet as Registered;
use tidegate_proxy::resolve::Resolution;
use tidegate_proxy::spec::{
    BandwidthLimit, HeaderEdit, HeaderMatch, ListChange, Redirect, RedirectTo, Rule, RuleAction, RuleSet,
    Text,
};
use tidegate_proxy::{LogLevel, Mode};
use tidegate_sample::figures::RulePlace;
use tidegate_sample::vars::Assignment;
use tidegate_sample::{LogOrigin, Way};

use super::edits::{name_match, target_edit, tune};
use super::http2;
use super::logs::level;
use super::{Assembly, on_failure};
use crate::statistics::Exporter;

/// A proxy's rules.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) tcp_connection: RuleSet,
    pub(super) tcp_session: RuleSet,
    pub(super) tcp_content: RuleSet,
    pub(super) inspect_delay: Option<Duration>,
    pub(super) tcp_response: RuleSet,
    pub(super) response_inspect_delay: Option<Duration>,
    pub(super) http_request: RuleSet,
    pub(super) http_response: RuleSet,
    pub(super) http_after_response: RuleSet,
}

/// The set that a rule stands in: its keyword, and what scripts register actions for.
#[derive(Clone, Copy)]
struct Set {
    keyword: &'static str,
    registered: Registered,
}

impl Set {
    /// What a log line says that a rule of this set made.
    fn origin(self) -> LogOrigin {
        LogOrigin::Rule(match self.keyword {
            "tcp-request connection" => "tcp-req-conn",
            "tcp-request session" => "tcp-req-sess",
            "tcp-request content" => "tcp-req-cont",
            "tcp-response content" => "tcp-res-cont",
            "http-response" => "http-res",
            "http-after-response" => "http-after-res",
            _ => "http-req",
        })
    }
}

impl Assembly {
    pub(super) fn rules(&mut self, rules: model::RuleSet, mode: Mode) -> Rules {
        let set = |keyword, registered| Set { keyword, registered };
        let (request, response) = (Registered::HttpRequest, Registered::HttpResponse);
        let tcp = Registered::TcpRequest;
        let after = Registered::HttpAfterResponse;
        Rules {
            tcp_connection: self.set(
                rules.tcp_request_connection,
                set("tcp-request connection", tcp),
                mode,
            ),
            tcp_session: self.set(rules.tcp_request_session, set("tcp-request session", tcp), mode),
            tcp_content: self.set(rules.tcp_request_content, set("tcp-request content", tcp), mode),
            inspect_delay: rules.tcp_request_inspect_delay,
            tcp_response: self.set(
                rules.tcp_response_content,
                set("tcp-response content", Registered::TcpResponse),
                mode,
            ),
            response_inspect_delay: rules.tcp_response_inspect_delay,
            http_request: {
                let mut all = self.set(rules.http_request, set("http-request", request), Mode::Http);
                all.extend(self.each(rules.redirects, set("redirect", request), Mode::Http));
                all
            },
            http_response: self.set(rules.http_response, set("http-response", response), Mode::Http),
            http_after_response: self.set(
                rules.http_after_response,
                set("http-after-response", after),
                Mode::Http,
            ),
        }
    }
}

impl Assembly {
    fn set(&mut self, rules: Vec<model::Rule>, set: Set, mode: Mode) -> RuleSet {
        self.each(rules, set, mode).collect()
    }

    fn each(&mut self, rules: Vec<model::Rule>, set: Set, mode: Mode) -> impl Iterator<Item = Rule> {
        rules
            .into_iter()
            .filter_map(move |rule| self.rule(rule, set, mode))
    }

    fn rule(&mut self, rule: model::Rule, set: Set, mode: Mode) -> Option<Rule> {
        let sources = self.around.sources.clone();
        let word = String::from_utf8_lossy(sources.text(rule.span)).into_owned();
        let line = format!("{} {word} ({})", set.keyword, sources.place(rule.span));
        let place = sources.file_and_line(rule.span).map(|(file, line)| RulePlace {
            file: file.into(),
            line,
        });
        let mut on_error = None;
        let action = match rule.action {
            Action::Accept => RuleAction::Accept,
            Action::Reject => RuleAction::Reject,
            Action::Close => RuleAction::Close,
            Action::ExpectProxy => RuleAction::ExpectProxy,
            Action::ExpectNetscaler => RuleAction::ExpectNetscaler,
            Action::SwitchMode(proto) => RuleAction::SwitchMode(http2::listen_proto(proto)),
            Action::Deny(reply) => RuleAction::Deny(Some(self.reply(reply, rule.span)?)),
            Action::Auth { realm } => RuleAction::Auth(realm),
            Action::Tarpit(reply) => RuleAction::Tarpit(Some(self.reply(reply, rule.span)?)),
            Action::Return(reply) => RuleAction::Return(self.reply(reply, rule.span)?),
            Action::Redirect(redirect) => RuleAction::Redirect(self.redirect(redirect, rule.span)?),
            Action::Lua(call) => {
                on_error = call.on_error.map(on_failure);
                self.lua_action(call, set)?
            }
            Action::UseLuaService(name) => self.lua_service(&name, mode)?,
            Action::UsePrometheusExporter => {
                RuleAction::Serve(Arc::new(Exporter::new(self.around.running.clone())))
            }
            Action::EarlyHint { name, value } => {
                RuleAction::EarlyHint(self.header(&name, rule.span)?, value.into())
            }
            Action::AddHeader { name, value } => {
                RuleAction::Header(HeaderEdit::Add(self.header(&name, rule.span)?, value.into()))
            }
            Action::SetHeader { name, value } => {
                RuleAction::Header(HeaderEdit::Set(self.header(&name, rule.span)?, value.into()))
            }
            Action::DelHeader(which) => RuleAction::Header(HeaderEdit::Del(match which {
                ModelMatch::Exact(name) => HeaderMatch::Exact(self.header(&name, rule.span)?),
                ModelMatch::By(by, text) => HeaderMatch::By(name_match(by), text.to_ascii_lowercase()),
                ModelMatch::Regex(regex) => HeaderMatch::Regex(regex),
            })),
            Action::ReplaceHeader {
                name,
                pattern,
                with,
                each,
            } => RuleAction::Header(HeaderEdit::Replace {
                name: self.header(&name, rule.span)?,
                pattern,
                with: with.into(),
                each,
            }),
            Action::AddHeaderList {
                list,
                replaces,
                prefix,
            } => RuleAction::Header(HeaderEdit::List {
                list,
                replaces,
                prefix: prefix.to_ascii_lowercase(),
            }),
            Action::DelHeaderList { list, by } => RuleAction::Header(HeaderEdit::DelList {
                list,
                by: name_match(by),
            }),
            Action::SetMethod(text) => RuleAction::SetMethod(text.into()),
            Action::EditTarget(edit) => RuleAction::Target(target_edit(edit)),
            Action::SetStatus { status, reason } => {
                RuleAction::SetStatus(self.status(status, rule.span)?, reason.map(Bytes::from))
            }
            Action::SetLogLevel(wanted) => RuleAction::SetLogLevel(
                wanted.map_or(LogLevel::Silent, |wanted| LogLevel::Set(level(wanted))),
            ),
            Action::Tune(tuning) => RuleAction::Tune(tune(tuning)),
            Action::StrictMode(on) => RuleAction::StrictMode(on),
            Action::Pause(time) => RuleAction::Pause(time),
            Action::Resolve {
                to,
                resolvers,
                prefer_v4,
                host,
            } => RuleAction::Resolve(Box::new(Resolution {
                to: Assignment {
                    name: to,
                    conditions: Box::default(),
                },
                resolvers: self.name_servers(&resolvers)?,
                prefer_v4,
                host,
            })),
            Action::SilentDrop { rst_ttl } => RuleAction::SilentDrop { rst_ttl },
            Action::Nothing => return None,
            Action::DoLog(profile) => {
                // Names were checked.
                let profile = profile.and_then(|name| self.logs.profile(&name.value));
                RuleAction::DoLog(set.origin(), profile)
            }
            Action::Capture {
                response,
                slot,
                value,
            } => {
                let way = if response { Way::Response } else { Way::Request };
                RuleAction::Capture(way, usize::try_from(slot.value).unwrap_or(usize::MAX), value)
            }
            Action::CacheUse { cache, hints } => RuleAction::CacheUse {
                cache: self.cache(&cache.value)?,
                hints,
            },
            Action::CacheStore(cache) => RuleAction::CacheStore {
                by_filter: self.filters_cache(&cache.value),
                cache: self.cache(&cache.value)?,
            },
            Action::LimitBandwidth {
                filter,
                limit,
                period,
            } => RuleAction::LimitBandwidth(BandwidthLimit {
                filter: self.bandwidth(&filter.value)?,
                limit,
                period,
            }),
            Action::SetVar { to, value } => RuleAction::SetVar(to, value),
            Action::SetVarFormat { to, value } => RuleAction::SetVarFmt(to, value.into()),
            Action::UnsetVar(name) => RuleAction::UnsetVar(name),
            Action::ChangeList { list, change } => RuleAction::ChangeList(
                list,
                match change {
                    model::ListChange::Add { key } => ListChange::Add(key.into()),
                    model::ListChange::Set { key, value } => ListChange::Set(key.into(), value.into()),
                    model::ListChange::Remove { key } => ListChange::Remove(key.into()),
                },
            ),
            Action::Track(track) => RuleAction::Track(track),
            Action::ChangeCounter(change) => RuleAction::ChangeCounter(change),
            Action::WaitForBody {
                time,
                at_least,
                large,
            } => {
                if large && self.large_buffer.is_none() {
                    let message = "`use-large-buffer` has no `tune.bufsize.large` to use";
                    let fault = Diagnostic::error(code::MISSING_ARGUMENT, rule.span, message);
                    self.faults
                        .push(fault.help("say in the `global` section how large that is"));
                }
                RuleAction::WaitForBody {
                    time,
                    at_least: at_least.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
                    room: self.large_buffer.filter(|_| large),
                }
            }
        };
        Some(Rule {
            action,
            condition: rule.condition,
            on_error,
            line,
            place,
        })
    }

    // The configuration was held to what scripts registered: a name that is missing here is a fault of ours.
    fn lua_action(&mut self, call: LuaCall, set: Set) -> Option<RuleAction> {
        let Some(declared) = self.around.scripts.action(set.registered, &call.name.value) else {
            self.faults.push(unknown_lua_name("the action", &call.name, []));
            return None;
        };
        Some(RuleAction::Run {
            id: declared.id,
            args: call.arguments,
        })
    }

    fn lua_service(&mut self, name: &Spanned<String>, mode: Mode) -> Option<RuleAction> {
        let found = match mode {
            Mode::Http => self.around.scripts.http_service(&name.value),
            Mode::Tcp => self.around.scripts.tcp_service(&name.value),
        };
        if found.is_none() {
            self.faults.push(unknown_lua_name("the service", name, []));
        }
        found.map(|id| RuleAction::UseService { id })
    }

    fn redirect(&mut self, rule: model::RedirectRule, span: Span) -> Option<Redirect> {
        // A cookie that is set holds for the session; one that is cleared is out of date at once.
        let set_cookie = rule.set_cookie.map(|cookie| match cookie {
            model::RedirectCookie::Set(cookie) => Text::literal(format!("{cookie}; path=/;")),
            model::RedirectCookie::Format(cookie) => cookie.into(),
            model::RedirectCookie::Clear(cookie) => Text::literal(format!("{cookie}; path=/; Max-Age=0;")),
        });
        Some(Redirect {
            to: match rule.kind {
                model::RedirectKind::Location(text) => RedirectTo::Location(text.into()),
                model::RedirectKind::Prefix(text) => RedirectTo::Prefix(text.into()),
                model::RedirectKind::Scheme(text) => RedirectTo::Scheme(text.into()),
            },
            status: self.status(rule.status, span)?,
            drop_query: rule.drop_query,
            append_slash: rule.append_slash,
            keep_query: rule.keep_query,
            ignore_empty: rule.ignore_empty,
            set_cookie,
        })
    }

    pub(super) fn header(&mut self, name: &str, span: Span) -> Option<HeaderName> {
        let header = HeaderName::from_bytes(name.as_bytes()).ok();
        if header.is_none() {
            let message = format!("`{name}` is no name of a header");
            self.faults.push(Diagnostic::error(code::BAD_NAME, span, message));
        }
        header
    }

    pub(super) fn status(&mut self, status: u16, span: Span) -> Option<StatusCode> {
        let code = StatusCode::from_u16(status).ok();
        if code.is_none() {
            let message = format!("`{status}` is no status of HTTP");
            self.faults
                .push(Diagnostic::error(code::BAD_NUMBER, span, message));
        }
        code
    }
}
