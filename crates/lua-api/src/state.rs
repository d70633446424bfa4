//! One Lua state with the classes in it and what its scripts registered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mlua::{Lua, Result, StdLib, Table};
use tidegate_exec::Vm;

use crate::classes::Classes;
use crate::declared::Key;
use crate::entry::Entry;
use crate::env::Env;
use crate::run;
use crate::settings::Settings;

/// One Lua state.
pub(crate) struct State {
    pub(crate) vm: Vm,
    pub(crate) env: Arc<Env>,
    pub(crate) classes: Classes,
    /// What start-up put before the search path, to be kept there.
    pub(crate) search_prefix: String,
}

/// The functions that a state's scripts registered.
pub(crate) type Entries = HashMap<Key, Entry>;

/// Where Debian's packages put modules, for the Lua that is built in here.
const SYSTEM_PATH: &str = "/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua";

impl State {
    /// A fresh state. `state_id` is 0 for the one of all threads, else the thread's number.
    pub(crate) fn new(settings: &Settings, state_id: usize, tasks: &Arc<AtomicUsize>) -> Result<State> {
        let options = settings.vm_options();
        let vm = if state_id == 0 {
            Vm::shared(options)?
        } else {
            Vm::per_thread(options)?
        };
        let env = Env::new(settings.clone(), state_id, Arc::clone(tasks));
        let (classes, search_prefix) = vm
            .enter(|lua| {
                let prefix = match settings.libraries.contains(StdLib::PACKAGE) {
                    true => search_paths(lua, settings)?,
                    false => String::new(),
                };
                Ok::<_, mlua::Error>((Classes::install(lua, &env)?, prefix))
            })
            .map_err(mlua::Error::external)??;
        Ok(State {
            vm,
            env,
            classes,
            search_prefix,
        })
    }

    /// What the files that ran so far registered.
    ///
    /// # Errors
    /// No memory left in the state.
    pub(crate) fn entries(&self) -> Result<Entries> {
        let registry = self.env.registry();
        let entry = |item: &crate::env::Item| {
            // What runs of a filter are its objects' methods.
            let function = match &item.key {
                Key::Filter(_) => &self.classes.filters.call,
                _ => &item.function,
            };
            let limits = run::limits(&self.env.settings, item.key.run_kind(), item.limits);
            let entry = self.vm.entry_within(item.key.name(), function.clone(), limits)?;
            Ok((item.key.clone(), Entry::within(entry, item.limits)))
        };
        registry.items.iter().map(entry).collect()
    }
}

fn search_paths(lua: &Lua, settings: &Settings) -> Result<String> {
    let package: Table = lua.globals().raw_get("package")?;
    let system_cpath = format!("/usr/lib/{}-linux-gnu/lua/5.4/?.so", std::env::consts::ARCH);
    let prefix =
        |paths: &[String]| -> String { paths.iter().rev().flat_map(|path| [path.as_str(), ";"]).collect() };
    let path = prefix(&settings.prepend_path);
    let known: String = package.raw_get("path")?;
    package.raw_set("path", format!("{path}{known};{SYSTEM_PATH}"))?;
    let known: String = package.raw_get("cpath")?;
    let cpath = prefix(&settings.prepend_cpath);
    package.raw_set("cpath", format!("{cpath}{known};{system_cpath}"))?;
    Ok(path)
}
