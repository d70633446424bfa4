//! Rules as a worker holds them: numbers turned into the extensions that they mean, constants computed.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::figures::RulePlace;

use crate::ext::{Action, Extensions, Failure, HttpApplet, HttpService, Run, TcpService};
use crate::reply::Reply;
use crate::rules::respond::constant_reply;
use crate::rules::{Rule, RuleAction, RuleSet};
use crate::txn::Mode;

/// A rule set on a worker.
#[derive(Default)]
pub(crate) struct PreparedRules(Vec<PreparedRule>);

impl PreparedRules {
    /// The rules from this one on.
    pub(crate) fn from(&self, index: usize) -> &[PreparedRule] {
        self.0.get(index..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) struct PreparedRule {
    pub(crate) rule: Arc<Rule>,
    pub(crate) prepared: Prepared,
    pub(crate) place: Option<Rc<RulePlace>>,
}

/// What a rule's action needs besides its own description.
pub(crate) enum Prepared {
    Nothing,
    Action(Rc<dyn Action>),
    Http(Rc<dyn HttpService>),
    Tcp(Rc<dyn TcpService>),
    /// The reply never changes.
    Reply(Rc<Reply>),
}

impl PreparedRules {
    /// Looks up what the rules name.
    ///
    /// # Errors
    /// A rule names an extension that doesn't exist.
    pub(crate) fn new(rules: &RuleSet, mode: Mode, extensions: &dyn Extensions) -> Result<Self, String> {
        let prepare = |rule: &Arc<Rule>| {
            let missing = |what: &str, id: usize| format!("{}: there is no {what} number {id}", rule.line);
            let prepared = match &rule.action {
                RuleAction::Run { id, .. } => {
                    Prepared::Action(extensions.action(*id).ok_or_else(|| missing("action", *id))?)
                }
                RuleAction::UseService { id } if mode == Mode::Http => Prepared::Http(
                    extensions
                        .http_service(*id)
                        .ok_or_else(|| missing("HTTP service", *id))?,
                ),
                RuleAction::UseService { id } => Prepared::Tcp(
                    extensions
                        .tcp_service(*id)
                        .ok_or_else(|| missing("TCP service", *id))?,
                ),
                RuleAction::Serve(service) => Prepared::Http(Rc::new(OfAllWorkers(Arc::clone(service)))),
                RuleAction::Return(reply) | RuleAction::Deny(Some(reply)) => match constant_reply(reply) {
                    Some(reply) => Prepared::Reply(Rc::new(reply)),
                    None => Prepared::Nothing,
                },
                _ => Prepared::Nothing,
            };
            Ok(PreparedRule {
                rule: rule.clone(),
                prepared,
                place: rule.place.clone().map(Rc::new),
            })
        };
        rules
            .0
            .iter()
            .map(prepare)
            .collect::<Result<Vec<_>, String>>()
            .map(PreparedRules)
    }
}

/// A service that the workers share.
struct OfAllWorkers(Arc<dyn HttpService + Send + Sync>);

impl HttpService for OfAllWorkers {
    fn serve(&self, applet: Rc<HttpApplet>) -> Run<'static, Result<(), Failure>> {
        self.0.serve(applet)
    }

    fn name(&self) -> Arc<str> {
        self.0.name()
    }
}
