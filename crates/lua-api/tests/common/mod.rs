//! Scripts in files, loaded as the program loads them, without a proxy around them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidegate_lua_api::{
    Figure, Figures, LoadError, LoadSpec, Loaded, Of, RuleSet, ScriptLimits, Scripts, Settings,
};
use tidegate_proxy::ext::{ActionOutcome, Extensions, Failure, Spawner};
use tidegate_proxy::log::Level;
use tidegate_proxy::spec::{BackendSpec, FrontendSpec, GlobalSpec, ListenerSpec, ProxySpec, ServerSpec};
use tidegate_proxy::{Mode, Plane, Prepared, Txn, prepare};
use tidegate_sample::stick::{KeyType, TableSpec, Tables};
use tidegate_sample::{Externals, Session, Value};

/// What scripts logged outside of sessions.
pub type Messages = Arc<Mutex<Vec<(Level, String)>>>;

/// Settings that keep what is logged.
pub fn settings() -> (Settings, Messages) {
    let messages = Messages::default();
    let kept = messages.clone();
    let settings = Settings {
        log: Arc::new(move |level, text| {
            kept.lock().unwrap().push((level, text.to_owned()));
            true
        }),
        ..Settings::default()
    };
    (settings, messages)
}

/// A file of its own with this text.
pub fn file(text: &str) -> PathBuf {
    directory_with(&[("script.lua", text)]).join("script.lua")
}

/// A directory of its own with these files.
pub fn directory_with(files: &[(&str, &str)]) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    directory
}

pub fn spec(path: PathBuf, per_thread: bool) -> LoadSpec {
    LoadSpec {
        path,
        args: Vec::new(),
        per_thread,
        limits: ScriptLimits::default(),
        memory_bytes_max: None,
        tag: 7,
    }
}

pub fn load(text: &str) -> Result<Loaded, Vec<LoadError>> {
    Scripts::load(settings().0, &[spec(file(text), false)])
}

/// A data plane for scripts to look at, which does not run: the frontend `front`, and the backend `back` with the server
/// `one` and a stick table.
pub fn plane() -> Prepared {
    let here = "127.0.0.1:1".parse().unwrap();
    let mut front = FrontendSpec::new("front", Mode::Http);
    front.listeners.push(ListenerSpec::tcp("bind", here));
    let mut back = BackendSpec::new("back", Mode::Http);
    back.id = 2;
    back.servers.push(ServerSpec::tcp("one", here));
    let mut tables = Tables::default();
    tables.add(TableSpec::new("back", KeyType::Integer, 10));
    let global = GlobalSpec {
        tables: tables.into(),
        ..GlobalSpec::default()
    };
    let spec = ProxySpec {
        global,
        frontends: vec![front],
        backends: vec![back],
        ..ProxySpec::default()
    };
    prepare(spec).unwrap()
}

/// No figures at all.
struct NoFigures;

impl Figures for NoFigures {
    fn of_process(&self, _: &Plane) -> Vec<(&'static str, Figure)> {
        Vec::new()
    }

    fn of(&self, _: &Plane, _: Of<'_>) -> Vec<(&'static str, Figure)> {
        Vec::new()
    }
}

/// One worker with a script.
pub struct Site {
    pub loaded: Loaded,
    pub worker: Box<dyn Extensions>,
    pub messages: Messages,
}

impl Site {
    pub fn new(text: &str) -> Self {
        Site::with(text, false, |_| {})
    }

    pub fn with(text: &str, per_thread: bool, change: impl FnOnce(&mut Settings)) -> Self {
        Site::made(text, per_thread, change, None)
    }

    /// With a data plane to look at.
    pub fn on(text: &str, plane: &Prepared) -> Self {
        Site::made(text, false, |_| {}, Some(plane))
    }

    fn made(
        text: &str,
        per_thread: bool,
        change: impl FnOnce(&mut Settings),
        plane: Option<&Prepared>,
    ) -> Self {
        let (mut settings, messages) = settings();
        change(&mut settings);
        let loaded = Scripts::load(settings, &[spec(file(text), per_thread)]).unwrap();
        if let Some(plane) = plane {
            loaded.world().open(plane.control(), Arc::new(NoFigures));
        }
        loaded.run_init().unwrap();
        let worker = loaded.factory()(0).unwrap();
        Site {
            loaded,
            worker,
            messages,
        }
    }

    /// Runs an `http-req` action.
    pub async fn act(&self, name: &str, txn: &Rc<Txn>) -> ActionOutcome {
        self.act_with(name, txn, &[]).await
    }

    pub async fn act_with(&self, name: &str, txn: &Rc<Txn>, args: &[&str]) -> ActionOutcome {
        let id = self
            .loaded
            .declared()
            .action(RuleSet::HttpRequest, name)
            .unwrap()
            .id;
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        self.worker.action(id).unwrap().run(txn, &args).await
    }

    /// Runs a fetch.
    pub async fn fetch(&self, name: &str, session: &dyn Session, args: &[Value]) -> Option<Value> {
        let id = self.loaded.declared().fetch(&format!("lua.{name}")).unwrap();
        self.worker.external_runner().fetch(id, session, args).await
    }

    /// Runs a converter.
    pub async fn convert(
        &self,
        name: &str,
        session: &dyn Session,
        input: Value,
        args: &[Value],
    ) -> Option<Value> {
        let id = self.loaded.declared().converter(&format!("lua.{name}")).unwrap();
        self.worker
            .external_runner()
            .convert(id, session, input, args)
            .await
    }

    /// Starts the tasks.
    pub fn start(&self) {
        self.worker.start(&Spawner::new(0));
    }

    pub fn logged(&self) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|(_, text)| text.clone()).collect()
    }
}

/// Runs asynchronous code as a worker does.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// An HTTP transaction.
pub fn http(target: &str) -> Rc<Txn> {
    let request = http::Request::get(target)
        .header("host", "example.org")
        .header("x-two", "a")
        .header("x-two", "b");
    Txn::detached().request(request.body(()).unwrap()).build()
}

/// What a script's action reports, as text: it sets the variable `txn.out`.
pub fn out(txn: &Txn) -> String {
    let name = tidegate_sample::vars::VarName::parse("txn.out").unwrap();
    match txn.var(&name) {
        Some(Value::Str(text)) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

/// Runs the lines as an action on a request, and gives what `out(…)` collected, joined by `|`.
pub fn eval(lines: &str) -> String {
    let txn = http("/path?query=1");
    eval_on(&txn, lines)
}

pub fn eval_on(txn: &Rc<Txn>, lines: &str) -> String {
    let site = Site::new(&script(lines));
    match run(site.act("eval", txn)) {
        ActionOutcome::Continue => out(txn),
        other => panic!("{other:?}"),
    }
}

/// The failure that the lines end in.
pub fn failure(lines: &str) -> Failure {
    let txn = http("/");
    let site = Site::new(&script(lines));
    match run(site.act("eval", &txn)) {
        ActionOutcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// An action that runs the lines; `out` and `try` report.
pub fn script(lines: &str) -> String {
    format!(
        r#"
        local parts
        local function show(...)
            local all = table.pack(...)
            for i = 1, all.n do all[i] = tostring(all[i]) end
            return table.concat(all, ",")
        end
        local function out(...) parts[#parts + 1] = show(...) end
        -- Without the place, which is the test's own affair.
        local function try(f, ...)
            local ok, problem = pcall(f, ...)
            out(ok and "no error" or (tostring(problem):gsub("^[^ ]*script.lua:%d+: ", "")))
        end
        core.register_action("eval", {{ "http-req", "tcp-req" }}, function(txn, ...)
            parts = {{}}
            {lines}
            txn:set_var("txn.out", table.concat(parts, "|"))
        end, 0)
        "#
    )
}
