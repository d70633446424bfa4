//! The commands, one file for each family.

mod backends;
mod caches;
mod certificates;
mod cli;
mod dynamic;
mod errors;
mod events;
mod frontends;
pub(crate) mod info;
mod lists;
mod lua;
mod peers;
mod pending;
mod process;
mod resolvers;
mod schema;
mod servers;
mod sessions;
pub(crate) mod stat;
mod tables;
mod vars;

pub(crate) use process::version;

use super::command::Command;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    let families: [&'static [Command]; 21] = [
        caches::COMMANDS,
        certificates::COMMANDS,
        cli::COMMANDS,
        process::COMMANDS,
        resolvers::COMMANDS,
        schema::COMMANDS,
        info::COMMANDS,
        lists::COMMANDS,
        servers::COMMANDS,
        dynamic::COMMANDS,
        stat::COMMANDS,
        sessions::COMMANDS,
        tables::COMMANDS,
        vars::COMMANDS,
        lua::COMMANDS,
        backends::COMMANDS,
        frontends::COMMANDS,
        errors::COMMANDS,
        events::COMMANDS,
        peers::COMMANDS,
        pending::COMMANDS,
    ];
    families.into_iter().flatten()
}
