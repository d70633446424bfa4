//! Services: a function answers a request, or talks with a client, in a server's place.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_proxy::ext::{Failure, HttpService, Run as Answer, TcpService};
use tidegate_proxy::{HttpApplet, TcpApplet};

use crate::action::named;
use crate::entry::Entry;
use crate::handle::{self, Class, Registered, Target};
use crate::run::{Ended, Kind, Place, Run, Running};
use crate::state::State;

pub(crate) struct LuaService {
    pub(crate) state: Arc<State>,
    pub(crate) entry: Entry,
    /// Its name, as rules and log lines have it.
    pub(crate) name: Arc<str>,
}

impl HttpService for LuaService {
    fn serve(&self, applet: Rc<HttpApplet>) -> Answer<'static, std::result::Result<(), Failure>> {
        let target = Target::Http(Rc::downgrade(&applet));
        let run = Run::of(Kind::Service, applet.txn());
        self.run(target, run, Class::AppletHttp, "applet http", applet)
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl TcpService for LuaService {
    fn serve(&self, applet: Rc<TcpApplet>) -> Answer<'static, std::result::Result<(), Failure>> {
        let target = Target::Tcp(Rc::downgrade(&applet));
        let run = Run::of(Kind::Service, applet.txn());
        self.run(target, run, Class::AppletTcp, "applet tcp", applet)
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl LuaService {
    /// Runs the function with an applet object. `applet` is kept for as long as it runs.
    fn run(
        &self,
        target: Target,
        run: Rc<Run>,
        class: Class,
        what: &'static str,
        applet: Rc<impl ?Sized + 'static>,
    ) -> Answer<'static, std::result::Result<(), Failure>> {
        let registered = Registered::new(target.clone());
        run.owns(registered.session(), target);
        let classes = &self.state.classes;
        let objects = match class {
            Class::AppletTcp => &classes.applet_tcp,
            _ => &classes.applet_http,
        };
        let object = handle::object(objects, registered.session(), class);
        let begun = Running::begin(&self.state, &self.entry, object, run, Place::Waits);
        let (mut running, ended) = match begun {
            Ok(begun) => begun,
            Err(failure) => return Answer::ready(Err(named(what, self.entry.name(), failure))),
        };
        match ended {
            Ok(ended) => Answer::ready(outcome(ended, what, self.entry.name())),
            Err(why) => {
                running.keep(registered);
                let entry = self.entry.clone();
                Answer::suspended(async move {
                    let _applet = applet;
                    let ended = running.rest(why).await;
                    outcome(ended, what, entry.name())
                })
            }
        }
    }
}

fn outcome(ended: Ended, what: &str, name: &str) -> std::result::Result<(), Failure> {
    match ended {
        Ended::Returned | Ended::Done(_) => Ok(()),
        Ended::Failed(failure) => Err(named(what, name, failure)),
    }
}
