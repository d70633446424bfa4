//! The page of statistics: who may see it, and what serves it.

use std::sync::Arc;

use tidegate_config::Span;
use tidegate_config::model::{StatsSettings, StatsVerdict};
use tidegate_proxy::spec::{PageSpec, Rule, RuleAction, RuleSet};
use tidegate_sample::{AclSet, Condition, Scope, UserLists};

use super::Assembly;
use crate::statistics::{Page, Settings};

impl Assembly {
    pub(super) fn statistics(&mut self, stats: StatsSettings) -> Option<PageSpec> {
        let mut access = RuleSet::default();
        for rule in stats.access {
            let action = match rule.verdict {
                StatsVerdict::Allow => RuleAction::Accept,
                StatsVerdict::Deny => RuleAction::Deny(None),
                StatsVerdict::Auth(realm) => RuleAction::Auth(realm.unwrap_or_else(|| stats.realm.clone())),
            };
            access.push(self.page_rule("stats http-request", rule.span, action, rule.condition));
        }
        if let Some(users) = stats.users {
            let name = users.name().to_owned();
            let mut lists = UserLists::default();
            lists.add(users);
            let fetch = format!("http_auth({name})");
            let words = ["unless", "{", &fetch, "}"];
            // The list is there, and the fetch can be used anywhere that a request is.
            let scope = Scope::anywhere().with_userlists(&lists);
            let condition = Condition::parse(&words, &AclSet::default(), &scope).ok()?;
            let action = RuleAction::Auth(stats.realm);
            access.push(self.page_rule("stats auth", stats.span, action, Some(condition)));
        }
        let around = &self.around;
        let settings = Settings {
            prefix: stats.uri.clone(),
            scope: stats.scope,
            refresh: stats.refresh,
            version: stats.version.then_some(env!("CARGO_PKG_VERSION")),
            description: stats
                .description
                .and_then(|own| own.or_else(|| around.description.clone())),
            node: stats.node.map(|own| own.unwrap_or_else(|| around.node.clone())),
            legends: stats.legends,
            admin: stats.admin,
        };
        Some(PageSpec {
            prefix: stats.uri,
            access,
            service: Arc::new(Page::new(settings, around.running.clone())),
        })
    }

    fn page_rule(&self, keyword: &str, span: Span, action: RuleAction, condition: Option<Condition>) -> Rule {
        let line = format!("{keyword} ({})", self.around.sources.place(span));
        Rule {
            condition,
            ..Rule::new(line, action)
        }
    }
}
