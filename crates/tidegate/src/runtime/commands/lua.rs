//! Commands about scripts.

use std::fmt::Write as _;

use tidegate_config::model::AccessLevel;
use tidegate_lua_api::{FunctionReport, StateReport};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show lua", "", AccessLevel::Operator, "what the Lua states hold, and what each function of scripts has used", show),
];

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (desk, shared) = (call.about.scripts.desk.clone(), call.about.scripts.shared.clone());
    Ok(Answer::later(async move {
        let (states, pools) = desk.report().await;
        let mut text =
            String::from("# states\n# state contexts coroutines pending memory memory_peak memory_max\n");
        for state in &states {
            state_line(&mut text, state);
        }
        text.push_str("# functions\n# state kind name runs yields failures lua_us failures_by_kind\n");
        for state in &states {
            for function in &state.functions {
                function_line(&mut text, state.id, function);
            }
        }
        text.push_str("# shared dictionaries\n# name entries bytes bytes_max evicted\n");
        for dict in shared.report() {
            let name = dict.name.replace(' ', "_");
            let _ = writeln!(
                text,
                "{name} {} {} {} {}",
                dict.entries, dict.bytes, dict.bytes_max, dict.evicted
            );
        }
        text.push_str("# socket pools\n# worker idle kept reused closed\n");
        for (worker, pool) in pools.iter().enumerate() {
            let _ = writeln!(
                text,
                "{} {} {} {} {}",
                worker + 1,
                pool.idle,
                pool.kept,
                pool.reused,
                pool.closed
            );
        }
        Ok(text.into())
    }))
}

fn state_line(text: &mut String, state: &StateReport) {
    let usage = &state.usage;
    let limit = state
        .memory_bytes_max
        .map_or_else(|| String::from("-"), |limit| limit.to_string());
    let _ = writeln!(
        text,
        "{} {} {} {} {} {} {limit}",
        state.id,
        usage.contexts,
        usage.coroutines,
        usage.pending,
        usage.memory_bytes,
        usage.memory_bytes_peak,
    );
}

fn function_line(text: &mut String, state: usize, function: &FunctionReport) {
    let stats = &function.stats;
    let kinds = tidegate_exec::FailureKind::COUNTED;
    let failed: Vec<String> = kinds
        .into_iter()
        .filter(|kind| stats.failures_of(*kind) > 0)
        .map(|kind| {
            format!(
                "{}={}",
                kind.to_string().replace(' ', "-"),
                stats.failures_of(kind)
            )
        })
        .collect();
    let _ = writeln!(
        text,
        "{state} {} {} {} {} {} {} {}",
        function.kind,
        function.name.replace(' ', "_"),
        stats.runs,
        stats.yields,
        stats.failures.iter().sum::<u64>(),
        stats.lua_time.as_micros(),
        if failed.is_empty() {
            String::from("-")
        } else {
            failed.join(",")
        },
    );
}
