//! Rewrites and settings of rules: the same in the model and in the data plane, under two names.

use tidegate_config::model;
use tidegate_proxy::spec::{NameMatch, Normalizer, TargetEdit, TargetPart, TimeoutKind, Tuning};

pub(super) fn name_match(by: model::NameMatch) -> NameMatch {
    match by {
        model::NameMatch::Exact => NameMatch::Exact,
        model::NameMatch::Prefix => NameMatch::Prefix,
        model::NameMatch::Suffix => NameMatch::Suffix,
        model::NameMatch::Contains => NameMatch::Contains,
    }
}

pub(super) fn target_edit(edit: model::TargetEdit) -> TargetEdit {
    match edit {
        model::TargetEdit::Path(text) => TargetEdit::Path(text.into()),
        model::TargetEdit::PathQuery(text) => TargetEdit::PathQuery(text.into()),
        model::TargetEdit::Query(text) => TargetEdit::Query(text.into()),
        model::TargetEdit::Uri(text) => TargetEdit::Uri(text.into()),
        model::TargetEdit::Replace(part, pattern, with) => TargetEdit::Replace(
            match part {
                model::TargetPart::Path => TargetPart::Path,
                model::TargetPart::PathQuery => TargetPart::PathQuery,
                model::TargetPart::Uri => TargetPart::Uri,
            },
            pattern,
            with.into(),
        ),
        model::TargetEdit::Normalize(normalizer) => TargetEdit::Normalize(match normalizer {
            model::Normalizer::FragmentEncode => Normalizer::FragmentEncode,
            model::Normalizer::FragmentStrip => Normalizer::FragmentStrip,
            model::Normalizer::PathMergeSlashes => Normalizer::PathMergeSlashes,
            model::Normalizer::PathStripDot => Normalizer::PathStripDot,
            model::Normalizer::PathStripDotdot { full } => Normalizer::PathStripDotdot { full },
            model::Normalizer::PercentDecodeUnreserved { strict } => {
                Normalizer::PercentDecodeUnreserved { strict }
            }
            model::Normalizer::PercentToUppercase { strict } => Normalizer::PercentToUppercase { strict },
            model::Normalizer::QuerySortByName => Normalizer::QuerySortByName,
        }),
    }
}

pub(super) fn tune(tuning: model::Tuning) -> Tuning {
    match tuning {
        model::Tuning::Timeout(which, time) => Tuning::Timeout(
            match which {
                model::TimeoutName::Client => TimeoutKind::Client,
                model::TimeoutName::Connect => TimeoutKind::Connect,
                model::TimeoutName::Queue => TimeoutKind::Queue,
                model::TimeoutName::Server => TimeoutKind::Server,
                model::TimeoutName::Tarpit => TimeoutKind::Tarpit,
                model::TimeoutName::Tunnel => TimeoutKind::Tunnel,
            },
            time,
        ),
        model::Tuning::Retries(amount) => Tuning::Retries(amount),
        model::Tuning::NoRequestRetry => Tuning::NoRequestRetry,
        model::Tuning::Source(expr) => Tuning::Source(expr),
        model::Tuning::SourcePort(amount) => Tuning::SourcePort(amount),
        model::Tuning::Destination(expr) => Tuning::Destination(expr),
        model::Tuning::DestinationPort(amount) => Tuning::DestinationPort(amount),
        model::Tuning::ClientMark(amount) => Tuning::ClientMark(amount),
        model::Tuning::ClientTos(amount) => Tuning::ClientTos(amount),
        model::Tuning::ServerMark(amount) => Tuning::ServerMark(amount),
        model::Tuning::ServerTos(amount) => Tuning::ServerTos(amount),
        model::Tuning::PriorityClass(amount) => Tuning::PriorityClass(amount),
        model::Tuning::PriorityOffset(amount) => Tuning::PriorityOffset(amount),
    }
}
