//! The Lua side of one transaction: its TXN object in each state, and the number that leads from there back.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use smallvec::SmallVec;
use tidegate_exec::Kept as Object;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::Failure;

use crate::handle::{self, Class, Registered, Session, Target};
use crate::run::{Kind, Run, misused};
use crate::state::State;

/// What is kept with a transaction from its first Lua function to its end.
struct Kept {
    registered: Registered,
    /// One object per state, so that scripts find there what they left.
    objects: RefCell<SmallVec<[(u64, Object); 1]>>,
    run: Rc<Run>,
}

/// What a function is started with.
pub(crate) struct TxnArg {
    /// The TXN object of the transaction.
    pub(crate) object: Object,
    /// What leads its objects to the transaction.
    pub(crate) session: Session,
    /// The run in which the function gets it.
    pub(crate) run: Rc<Run>,
}

/// The TXN object of `txn` in `state`, made when first needed, and a run to get it in.
///
/// # Errors
/// The state has no memory left.
pub(crate) fn txn_arg(state: &State, txn: &Rc<Txn>, kind: Kind) -> Result<TxnArg, Failure> {
    if let Some(found) = with_kept(txn, |kept| arg(kept, state, txn, kind)) {
        return found;
    }
    let target = Target::Txn(Rc::downgrade(txn));
    let kept = Kept {
        registered: Registered::new(target.clone()),
        objects: RefCell::default(),
        run: Run::of(kind, txn),
    };
    kept.run.owns(kept.registered.session(), &target);
    let found = arg(&kept, state, txn, kind);
    *txn.extension_slot().borrow_mut() = Some(Box::new(kept));
    found
}

fn arg(kept: &Kept, state: &State, txn: &Rc<Txn>, kind: Kind) -> Result<TxnArg, Failure> {
    let session = kept.registered.session();
    let key = state.env.generation;
    let mut objects = kept.objects.borrow_mut();
    let object = match objects.iter().find(|(state, _)| *state == key) {
        Some((_, object)) => object.clone(),
        None => {
            let new = handle::object(state.classes.txn.of(txn), session, Class::Txn);
            let object = state.vm.keep(new);
            let object = object.map_err(|misuse| misused(state.env.state_id, misuse))?;
            objects.push((key, object.clone()));
            object
        }
    };
    // A run that is still going on (this one was started from inside of it) stays what it is.
    let run = match Rc::strong_count(&kept.run) {
        1 => Rc::clone(&kept.run),
        _ => {
            let run = Run::of(kind, txn);
            run.owns(session, &Target::Txn(Rc::downgrade(txn)));
            run
        }
    };
    run.kind.set(kind);
    Ok(TxnArg { object, session, run })
}

fn with_kept<R>(txn: &Txn, f: impl FnOnce(&Kept) -> R) -> Option<R> {
    let slot = txn.extension_slot().borrow();
    slot.as_ref().and_then(|kept| kept.downcast_ref::<Kept>()).map(f)
}

/// An object, then texts.
pub(crate) struct WithTexts<'a, O>(pub(crate) O, pub(crate) &'a [String]);

impl<O: IntoLua> IntoLuaMulti for WithTexts<'_, O> {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        let mut values = MultiValue::with_capacity(1 + self.1.len());
        values.push_back(self.0.into_lua(lua)?);
        for text in self.1 {
            values.push_back(Value::String(lua.create_string(text)?));
        }
        Ok(values)
    }
}
