//! Which session an object of a script stands for, and whether that session still is.
//!
//! A session's object (see [`tidegate_exec::ObjectClass`]) stands for a number that no script can make up. The number
//! leads through a table of the thread to the session. It is never used twice in the process, so an object that was
//! kept, or is seen by another thread (through a shared state), leads nowhere. Nor does one that a script uses while it
//! runs for another session, or for none.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Error, Result};
use tidegate_exec::{NewObject, ObjectClass, Standing};
use tidegate_proxy::{HttpApplet, TcpApplet, Txn};
use tidegate_sample::Way;

use crate::run::Run;

/// Where an object keeps what `set_priv` left; its number stands before that.
pub(crate) const PRIV: i64 = 2;

/// What a number leads to.
#[derive(Clone)]
pub(crate) enum Target {
    /// Actions and fetches.
    Txn(Weak<Txn>),
    /// HTTP services.
    Http(Weak<HttpApplet>),
    /// TCP services.
    Tcp(Weak<TcpApplet>),
}

impl Target {
    fn txn(&self) -> Option<Rc<Txn>> {
        match self {
            Target::Txn(txn) => txn.upgrade(),
            Target::Http(applet) => Some(Rc::clone(applet.upgrade()?.txn())),
            Target::Tcp(applet) => Some(Rc::clone(applet.upgrade()?.txn())),
        }
    }
}

/// The classes whose objects stand for a session. The tag is part of the object's number, so that an object
/// of one class is not taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Txn = 1,
    Http,
    Fetches,
    FetchesText,
    Converters,
    ConvertersText,
    RequestChannel,
    ResponseChannel,
    AppletHttp,
    AppletTcp,
    RequestMessage,
    ResponseMessage,
}

/// Each at the place of its tag, which begin with 1.
const CLASSES: [Class; 12] = [
    Class::Txn,
    Class::Http,
    Class::Fetches,
    Class::FetchesText,
    Class::Converters,
    Class::ConvertersText,
    Class::RequestChannel,
    Class::ResponseChannel,
    Class::AppletHttp,
    Class::AppletTcp,
    Class::RequestMessage,
    Class::ResponseMessage,
];

/// The bits of an object's number that are its class.
pub(crate) const CLASS_BITS: u32 = 4;
/// The thread's number stands above this many bits of counting, enough for decades of sessions.
const COUNT_BITS: u32 = 46;

/// The number of a session's objects, without a class. `Session(0)` stands for no session at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session(u64);

impl Session {
    /// What has no session: `core.f` and its kin.
    pub(crate) const NONE: Session = Session(0);

    /// What this session's object of that class stands for.
    pub(crate) fn tagged(self, class: Class) -> u64 {
        self.0 << CLASS_BITS | class as u64
    }

    fn untagged(bits: u64) -> Option<(Session, Class)> {
        let tag = (bits & ((1 << CLASS_BITS) - 1)) as usize;
        let class = *CLASSES.get(tag.checked_sub(1)?)?;
        Some((Session(bits >> CLASS_BITS), class))
    }

    /// What it leads to, with its transaction, if that still is, is of this thread, and is what the script runs for: while
    /// a session waits, others run, and it is as much out of their reach then as when it is over.
    pub(crate) fn target(self) -> Option<(Target, Rc<Txn>)> {
        let target = match Run::own_target(self, Target::clone) {
            Some(own) => own,
            None => self.of_others()?,
        };
        let txn = target.txn().filter(|txn| !txn.is_closed())?;
        Some((target, txn))
    }

    /// The transaction that it leads to, likewise.
    pub(crate) fn txn(self) -> Option<Rc<Txn>> {
        // Most objects are used by the run that was handed them, which knows where they lead.
        let txn = match Run::own_target(self, Target::txn) {
            Some(own) => own,
            None => self.of_others()?.txn(),
        };
        txn.filter(|txn| !txn.is_closed())
    }

    /// What it leads to where another run was handed it, for the same transaction.
    fn of_others(self) -> Option<Target> {
        match TARGETS.with_borrow(|targets| targets.get(&self.0).cloned()) {
            Some(target) => Run::is_of(&target.txn()?).then_some(target),
            None => Run::kept_target(self),
        }
    }

    /// A number that leads nowhere but in runs that are handed it, or whose transaction keeps it.
    pub(crate) fn fresh() -> Session {
        Session(NEXT.with(|next| {
            next.set(next.get() + 1);
            next.get()
        }))
    }
}

/// Keeps a number leading to its target; when it goes, the number is dead for ever.
pub(crate) struct Registered {
    session: Session,
    /// The number is of this thread's table.
    not_send: PhantomData<*mut ()>,
}

impl Registered {
    /// Gives `target` a number.
    pub(crate) fn new(target: Target) -> Self {
        let session = Session::fresh();
        TARGETS.with_borrow_mut(|targets| targets.insert(session.0, target));
        Registered {
            session,
            not_send: PhantomData,
        }
    }

    /// The number.
    pub(crate) fn session(&self) -> Session {
        self.session
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // The table may be gone already when the thread ends.
        let _ = TARGETS.try_with(|targets| targets.borrow_mut().remove(&self.session.0));
    }
}

thread_local! {
    static TARGETS: RefCell<HashMap<u64, Target, BuildHasherDefault<Spread>>> = RefCell::default();
    static NEXT: Cell<u64> = Cell::new({
        static THREADS: AtomicU64 = AtomicU64::new(0);
        // 14 bits of threads are left; past them, numbers could meet, and that many threads never were.
        (THREADS.fetch_add(1, Ordering::Relaxed) & 0x3fff) << COUNT_BITS
    });
}

/// Spreads consecutive numbers.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0.rotate_left(8));
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A class of objects, as methods ask for their `self`.
pub(crate) trait Kind {
    /// The class's name in messages.
    const NAME: &'static str;
    /// What a method works on.
    type Target;
    /// Whether an object of this class will do.
    fn is(class: Class) -> bool;
    /// What the object stands for.
    fn target(session: Session) -> Option<Self::Target>;
}

/// The `self` of a method: an object of the right class, perhaps of a session that is over.
pub(crate) type This<K> = tidegate_exec::This<Of<K>>;

/// What an object of class `K` stands for.
pub(crate) struct Of<K> {
    pub(crate) session: Session,
    pub(crate) class: Class,
    kind: PhantomData<K>,
}

impl<K: Kind> Of<K> {
    /// What the object stands for.
    ///
    /// # Errors
    /// The session is over, or not the one that the script runs for.
    pub(crate) fn live(&self) -> Result<K::Target> {
        K::target(self.session).ok_or_else(|| stale(K::NAME))
    }
}

impl<K> Of<K> {
    /// The way that an object of one of two stands for.
    pub(crate) fn way(&self) -> Way {
        match self.class {
            Class::ResponseChannel | Class::ResponseMessage => Way::Response,
            _ => Way::Request,
        }
    }
}

impl<K: Kind> Standing for Of<K> {
    const NAME: &'static str = K::NAME;

    fn of(stands_for: u64) -> Option<Self> {
        let (session, class) = Session::untagged(stands_for)?;
        K::is(class).then_some(Of {
            session,
            class,
            kind: PhantomData,
        })
    }
}

/// The `self` of whatever is an object of a session.
pub(crate) struct Any(pub(crate) Session);

impl Standing for Any {
    const NAME: &'static str = "object";

    fn of(stands_for: u64) -> Option<Self> {
        Session::untagged(stands_for).map(|(session, _)| Any(session))
    }
}

/// The error of every use of an object outside of its session.
pub(crate) fn stale(class: &str) -> Error {
    Error::runtime(stale_text(class))
}

/// What that error says.
pub(crate) fn stale_text(class: &str) -> String {
    format!("{class} object is no longer usable")
}

/// An object of a session, on its way to Lua.
pub(crate) fn object(objects: &ObjectClass, session: Session, class: Class) -> NewObject {
    objects.object(session.tagged(class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run;

    #[test]
    fn a_number_leads_to_its_target_until_it_is_dropped() {
        let txn = Txn::detached().build();
        let registered = Registered::new(Target::Txn(Rc::downgrade(&txn)));
        let session = registered.session();
        let own = Run::of(run::Kind::Action, &txn);
        let found = || own.during(|| session.txn());
        assert!(found().is_some_and(|found| Rc::ptr_eq(&found, &txn)));
        drop(registered);
        assert!(found().is_none());
        let next = Registered::new(Target::Txn(Rc::downgrade(&txn)));
        assert_ne!(next.session(), session);
    }

    #[test]
    fn a_number_leads_nowhere_outside_of_its_session() {
        let [txn, other] = [(), ()].map(|()| Txn::detached().build());
        let registered = Registered::new(Target::Txn(Rc::downgrade(&txn)));
        let session = registered.session();
        assert!(session.txn().is_none(), "nothing runs");
        for run in [Run::of(run::Kind::Action, &other), Run::new(run::Kind::Task)] {
            assert!(run.during(|| session.txn()).is_none());
        }
        let inside = Run::of(run::Kind::Fetch, &txn);
        assert!(inside.during(|| session.txn()).is_some());
    }

    #[test]
    fn a_number_leads_nowhere_on_another_thread() {
        let txn = Txn::detached().build();
        let registered = Registered::new(Target::Txn(Rc::downgrade(&txn)));
        let session = registered.session();
        let elsewhere = std::thread::spawn(move || {
            let other = Txn::detached().build();
            let own = Run::of(run::Kind::Action, &other);
            let others: Vec<_> = (0..100)
                .map(|_| Registered::new(Target::Txn(Rc::downgrade(&other))))
                .collect();
            own.during(|| session.txn()).is_none() && others.iter().all(|o| o.session() != session)
        });
        assert!(elsewhere.join().unwrap());
    }

    #[test]
    fn the_class_is_part_of_the_number() {
        let session = Session(0x1234_5678_9abc);
        for class in CLASSES {
            assert_eq!(Session::untagged(session.tagged(class)), Some((session, class)));
        }
        assert_eq!(Session::untagged(0xf), None);
    }
}
