//! One worker's extensions: the numbers that rules know, bound to functions of the worker's states.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_proxy::ext::{Action, ExtensionId, Extensions, Filter, HttpService, Spawner, TcpService};
use tidegate_sample::ExternalRunner;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::action::LuaAction;
use crate::command::{self, LuaCommand};
use crate::declared::{Declared, Key};
use crate::desk::{Desk, Order};
use crate::entry::Entry;
use crate::env::Stage;
use crate::report::{FunctionReport, StateReport};
use crate::sampling::{Bound, LuaRunner};
use crate::service::LuaService;
use crate::state::{Entries, State};
use crate::{filter, socket, task};

/// The extensions of one worker.
pub(crate) struct Worker {
    shared: Option<Arc<State>>,
    own: Option<Arc<State>>,
    actions: Vec<Rc<LuaAction>>,
    http_services: Vec<Rc<LuaService>>,
    tcp_services: Vec<Rc<LuaService>>,
    filters: Vec<filter::Bound>,
    runner: Rc<LuaRunner>,
    commands: Rc<[LuaCommand]>,
    /// All functions with the numbers of their states, for whoever asks what they have used.
    functions: Rc<[(usize, &'static str, Entry)]>,
    /// What the desk is asked from here on, until it is served.
    orders: Cell<Option<UnboundedReceiver<Order>>>,
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
        desk: Desk,
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
                let name = format!("lua.{name}").into();
                Ok(Rc::new(LuaService { state, entry, name }))
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
        let command = |decl: &crate::declared::CommandDecl| {
            let (state, entry) = bound(Key::Command(decl.words.clone()))?;
            Ok(LuaCommand { state, entry })
        };
        let filter = |decl: &crate::declared::FilterDecl| {
            let (state, entry) = bound(Key::Filter(decl.name.clone()))?;
            Ok(filter::Bound { state, entry })
        };
        let of_state = |(state, entries): &(Arc<State>, &Entries)| {
            let id = state.env.state_id;
            let functions = entries.iter().map(|(key, entry)| (id, key.kind(), entry.clone()));
            functions.collect::<Vec<_>>()
        };
        let mut functions: Vec<_> = states.into_iter().flatten().flat_map(of_state).collect();
        functions.sort_by(|a, b| (a.1, a.2.name()).cmp(&(b.1, b.2.name())));
        Ok(Worker {
            commands: declared
                .commands
                .iter()
                .map(command)
                .collect::<Result<_, String>>()?,
            filters: declared
                .filters
                .iter()
                .map(filter)
                .collect::<Result<_, String>>()?,
            functions: functions.into(),
            orders: Cell::new(Some(desk.open())),
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

    /// Does what the desk is asked, for as long as the worker lives.
    fn serve_desk(&self, spawner: &Spawner) {
        let Some(mut orders) = self.orders.take() else {
            return;
        };
        let (states, commands, functions) = (self.states(), self.commands.clone(), self.functions.clone());
        let (worker, commander) = (spawner.worker(), spawner.clone());
        spawner.spawn(async move {
            while let Some(order) = orders.recv().await {
                match order {
                    Order::Run(call) => {
                        if let Some(command) = commands.get(call.id) {
                            commander.spawn(command::run(command.clone(), call, worker));
                        }
                    }
                    Order::Report(answer) => {
                        let reports = states.iter().filter_map(|state| {
                            let id = state.env.state_id;
                            let own = functions.iter().filter(|(of, ..)| *of == id);
                            let mut all: Vec<_> = own
                                .map(|(_, kind, entry)| FunctionReport::of(kind, entry))
                                .collect();
                            all.extend(task::report(id));
                            StateReport::of(state, all)
                        });
                        let _ = answer.send((reports.collect(), socket::pool::report()));
                    }
                }
            }
        });
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

    fn filter(&self, id: ExtensionId, args: &Arc<[String]>) -> Result<Option<Rc<dyn Filter>>, String> {
        let bound = self.filters.get(id);
        let bound = bound.ok_or_else(|| format!("there is no filter number {id}"))?;
        let filter = bound.line(args)?;
        Ok(filter.map(|filter| Rc::new(filter) as Rc<dyn Filter>))
    }

    fn external_runner(&self) -> Rc<dyn ExternalRunner> {
        self.runner.clone()
    }

    fn start(&self, spawner: &Spawner) {
        task::serve_here(&self.states());
        self.serve_desk(spawner);
        for state in self.states() {
            if state.env.state_id == 0 && spawner.worker() != 0 {
                continue;
            }
            state.env.enter_stage(Stage::Serve);
            let subscriptions = std::mem::take(&mut state.env.registry().subscriptions);
            for pending in subscriptions {
                if let Err(error) = task::serve_events(&state.env, pending) {
                    let failure = tidegate_proxy::ext::Failure::new(error.to_string());
                    state.env.failed("Lua event", &failure);
                }
            }
            let tasks = std::mem::take(&mut state.env.registry().tasks);
            for (function, args, limits) in tasks {
                match task::room(&state.env, "register_task") {
                    Ok(room) => {
                        spawner.spawn(task::run(state.clone(), function, args, limits, room));
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
