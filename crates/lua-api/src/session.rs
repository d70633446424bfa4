//! The Lua side of one transaction: its TXN object in each state, and the number that leads from there back.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};
use tidegate_proxy::Txn;

use crate::handle::{self, Class, Registered, Session, Target};
use crate::run::{Kind, Run};
use crate::state::State;

/// What is kept with a transaction from its first Lua function to its end.
struct Kept {
    registered: Registered,
    /// One object per state, so that scripts find there what they left.
    objects: RefCell<Vec<(u64, Table)>>,
    run: Rc<Run>,
}

/// The TXN object of a transaction on its way to a function of `state`.
pub(crate) struct TxnArg<'a> {
    state: &'a State,
    txn: &'a Txn,
    session: Session,
    known: Option<Table>,
}

impl TxnArg<'_> {
    /// What leads its objects to the transaction.
    pub(crate) fn session(&self) -> Session {
        self.session
    }
}

/// The TXN object of `txn`, made when first needed, and the run in which a function gets it.
pub(crate) fn txn_arg<'a>(state: &'a State, txn: &'a Rc<Txn>, kind: Kind) -> (TxnArg<'a>, Rc<Run>) {
    let arg = |kept: &Kept| {
        let key = state.env.generation;
        let known = kept.objects.borrow();
        let known = known.iter().find(|(state, _)| *state == key);
        let arg = TxnArg {
            state,
            txn,
            session: kept.registered.session(),
            known: known.map(|(_, object)| object.clone()),
        };
        // A run that is still going on (this one was started from inside of it) stays what it is.
        let run = match Rc::strong_count(&kept.run) {
            1 => Rc::clone(&kept.run),
            _ => Run::of(kind, txn),
        };
        run.kind.set(kind);
        (arg, run)
    };
    with_kept(txn, arg).unwrap_or_else(|| {
        let kept = Kept {
            registered: Registered::new(Target::Txn(Rc::downgrade(txn))),
            objects: RefCell::default(),
            run: Run::of(kind, txn),
        };
        let found = arg(&kept);
        *txn.extension_slot().borrow_mut() = Some(Box::new(kept));
        found
    })
}

fn with_kept<R>(txn: &Txn, f: impl FnOnce(&Kept) -> R) -> Option<R> {
    let slot = txn.extension_slot().borrow();
    slot.as_ref().and_then(|kept| kept.downcast_ref::<Kept>()).map(f)
}

impl IntoLua for TxnArg<'_> {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        if let Some(object) = self.known {
            return Ok(Value::Table(object));
        }
        let object = handle::object(&self.state.classes.txn, self.session, Class::Txn).into_lua(lua)?;
        let Value::Table(object) = object else {
            return Ok(object);
        };
        let key = self.state.env.generation;
        with_kept(self.txn, |kept| {
            kept.objects.borrow_mut().push((key, object.clone()));
        });
        Ok(Value::Table(object))
    }
}

/// An object, then texts.
pub(crate) struct WithTexts<'a, O>(pub(crate) O, pub(crate) &'a [String]);

impl<O: IntoLua> IntoLuaMulti for WithTexts<'_, O> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        let mut values = MultiValue::with_capacity(1 + self.1.len());
        values.push_back(self.0.into_lua(lua)?);
        for text in self.1 {
            values.push_back(Value::String(lua.create_string(text)?));
        }
        Ok(values)
    }
}
