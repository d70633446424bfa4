//! One worker's extensions: the numbers that rules know, bound to functions of the worker's states.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_exec::Entry;
use tidegate_proxy::ext::{Action, ExtensionId, Extensions, HttpService, Spawner, TcpService};
use tidegate_sample::ExternalRunner;

use crate::action::LuaAction;
use crate::declared::{Declared, Key};
use crate::env::Stage;
use crate::sampling::{Bound, LuaRunner};
use crate::service::LuaService;
use crate::state::{Entries, State};
use crate::task;

/// The extensions of one worker.
pub(crate) struct Worker {
    shared: Option<Arc<State>>,
    own: Option<Arc<State>>,
    actions: Vec<Rc<LuaAction>>,
    http_services: Vec<Rc<LuaService>>,
    tcp_services: Vec<Rc<LuaService>>,
    runner: Rc<LuaRunner>,
}

impl Worker {
    /// Binds everything declared.
    ///
    /// # Errors
    /// Something is in none of the states.
    pub(crate) fn new(
        declared: &Declared,
        shared: Option<(Arc<State>, &Entries)>,
        own: Option<(Arc<State>, &Entries)>,
    ) -> Result<Worker, String> {
        let states = [shared.as_ref(), own.as_ref()];
        let bound = |key: Key| -> Result<(Arc<State>, Entry), String> {
            let mut found = states.into_iter().flatten();
            found
                .find_map(|(state, entries)| Some((Arc::clone(state), entries.get(&key)?.clone())))
                .ok_or_else(|| format!("Lua: {} is not registered on every thread", key.described()))
        };
        let services = |names: &[String], key: fn(String) -> Key| {
            let service = |name: &String| {
                let (state, entry) = bound(key(name.clone()))?;
                Ok(Rc::new(LuaService { state, entry }))
            };
            names.iter().map(service).collect::<Result<Vec<_>, String>>()
        };
        let samplers = |names: &[String], key: fn(String) -> Key| {
            let sampler = |name: &String| {
                let (state, entry) = bound(key(name.clone()))?;
                Ok(Bound { state, entry })
            };
            names.iter().map(sampler).collect::<Result<Vec<_>, String>>()
        };
        let action = |decl: &crate::declared::ActionDecl| {
            let (state, entry) = bound(Key::Action(decl.rules, decl.name.clone()))?;
            Ok(Rc::new(LuaAction { state, entry }))
        };
        Ok(Worker {
            actions: declared
                .actions
                .iter()
                .map(action)
                .collect::<Result<_, String>>()?,
            http_services: services(&declared.http_services, Key::HttpService)?,
            tcp_services: services(&declared.tcp_services, Key::TcpService)?,
            runner: Rc::new(LuaRunner {
                fetches: samplers(&declared.fetches, Key::Fetch)?,
                converters: samplers(&declared.converters, Key::Converter)?,
            }),
            shared: shared.map(|(state, _)| state),
            own: own.map(|(state, _)| state),
        })
    }

    fn states(&self) -> Vec<Arc<State>> {
        self.shared.iter().chain(&self.own).cloned().collect()
    }
}

impl Extensions for Worker {
    fn action(&self, id: ExtensionId) -> Option<Rc<dyn Action>> {
        Some(self.actions.get(id)?.clone())
    }

    fn http_service(&self, id: ExtensionId) -> Option<Rc<dyn HttpService>> {
        Some(self.http_services.get(id)?.clone())
    }

    fn tcp_service(&self, id: ExtensionId) -> Option<Rc<dyn TcpService>> {
        Some(self.tcp_services.get(id)?.clone())
    }

    fn external_runner(&self) -> Rc<dyn ExternalRunner> {
        self.runner.clone()
    }

    fn start(&self, spawner: &Spawner) {
        task::serve_here(&self.states());
        for state in self.states() {
            if state.env.state_id == 0 && spawner.worker() != 0 {
                continue;
            }
            state.env.enter_stage(Stage::Serve);
            let tasks = std::mem::take(&mut state.env.registry().tasks);
            for (function, args) in tasks {
                match task::room(&state.env) {
                    Ok(room) => {
                        spawner.spawn(task::run(state.clone(), function, args, room));
                    }
                    Err(error) => {
                        let failure = tidegate_proxy::ext::Failure::new(error.to_string());
                        state.env.failed("Lua task", &failure);
                    }
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        task::leave();
    }
}
