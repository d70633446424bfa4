//! What connections of scripts begin with: who resolves names, and whom the HTTP client trusts.

use std::sync::Arc;

use tidegate_config::model::HttpClientSettings as Wanted;
use tidegate_config::{Diagnostic, Draft, code};
use tidegate_http1::HeadLimits;
use tidegate_lua_api::{Authorities, HttpClientSettings, Names, Trust};
use tidegate_proxy::resolve::spec::ResolversSpec;

use crate::assemble::resolvers_section;

/// The section that is asked without a word, where there is one.
const DEFAULT: &str = "default";

/// Who resolves names for sockets, and all that the HTTP client has.
pub(super) fn settings(draft: &mut Draft) -> (Names, HttpClientSettings) {
    let wanted = draft.global().http_client.clone();
    let sockets = match section(draft, DEFAULT) {
        Some(section) => Names::of_section_first(section),
        None => Names::of_system(),
    };
    let client = HttpClientSettings {
        names: names(draft, &wanted).preferring_v4(wanted.prefer_v4),
        retries: wanted.retries,
        connect_timeout: wanted.connect_timeout,
        trust: Trust {
            verify: wanted.verify,
            authorities: authorities(draft, &wanted),
        },
        limits: limits(draft),
    };
    (sockets, client)
}

/// What heads of responses may have: what those of servers may.
fn limits(draft: &Draft) -> HeadLimits {
    let tune = &draft.global().tune;
    HeadLimits {
        fields_max: HeadLimits::fields_of(tune.lines_max.map(usize::from)),
        ..HeadLimits::of_bytes(usize::try_from(tune.buffer_bytes).unwrap_or(usize::MAX))
    }
}

fn names(draft: &Draft, wanted: &Wanted) -> Names {
    if wanted.resolvers_disabled {
        return Names::none();
    }
    // A section that there isn't is a fault of its own, unless it is the one that the system fills.
    let named = wanted.resolvers.as_ref().and_then(|id| section(draft, &id.value));
    match (named, section(draft, DEFAULT)) {
        (Some(named), _) => Names::of_section(named),
        (None, Some(default)) => Names::of_section_first(default),
        (None, None) => Names::of_system(),
    }
}

fn section(draft: &Draft, name: &str) -> Option<Arc<ResolversSpec>> {
    let section = draft.resolvers().get(name)?.clone();
    Some(Arc::new(resolvers_section(
        name.to_owned(),
        section,
        draft.global().families,
    )))
}

fn authorities(draft: &mut Draft, wanted: &Wanted) -> Option<Authorities> {
    let file = wanted.ca_file.as_ref()?;
    match Authorities::of_file(&file.value.to_string_lossy()) {
        Ok(authorities) => Some(authorities),
        Err(why) => {
            draft.report(Diagnostic::error(code::BAD_ARGUMENT, file.span, why));
            None
        }
    }
}
