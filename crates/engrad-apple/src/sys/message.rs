//! Messages whose types are known and checked.
//!
//! A [`Message`] is made for a class from the Rust types of its arguments and result. Making it compares the encoding
//! of those types with the one that the runtime has for the method, so that a call with wrong types is found when the
//! engine is made and not by its effects. What remains to be trusted at a call is that the receiver is of that class.

use std::marker::PhantomData;

use super::encode::{Encode, normalize};
use super::guard;
use super::runtime::{Class, Object, Runtime, Selector};
use crate::AppleError;

/// A checked method: argument types `A`, a tuple, and result `R`.
pub(crate) struct Message<A, R> {
    pub(crate) selector: Selector,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> std::fmt::Debug for Message<A, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:?})", self.selector)
    }
}

impl<A, R> Clone for Message<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for Message<A, R> {}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    Missing,
    /// The encoding found.
    Encoding(String),
}

macro_rules! messages {
    ($($name:ident)*) => {
        impl<$($name: Encode,)* R: Encode> Message<($($name,)*), R> {
            /// The encoding of the types: result, receiver, selector, arguments.
            pub(crate) fn encoding() -> String {
                [R::CODE, Object::CODE, Selector::CODE, $($name::CODE),*].concat()
            }

            /// Looks the method up and compares types.
            pub(crate) fn find(
                runtime: &Runtime,
                class: Class,
                selector: &str,
                instance: bool,
            ) -> Result<Self, Unusable> {
                let selector = runtime.selector(selector);
                let found = runtime.encoding(class, selector, instance).ok_or(Unusable::Missing)?;
                match normalize(&found) == normalize(&Self::encoding()) {
                    true => Ok(Self { selector, types: PhantomData }),
                    false => Err(Unusable::Encoding(found)),
                }
            }

            /// Sends the message; an exception becomes an error.
            ///
            /// # Safety
            /// The receiver is nil or a live object of the class that the message was made for, and the arguments are
            /// what the method expects.
            #[allow(non_snake_case, clippy::too_many_arguments, reason = "one argument for each type parameter")]
            pub(crate) unsafe fn send(self, runtime: &Runtime, receiver: Object, $($name: $name),*) -> Result<R, AppleError> {
                guard::call(runtime, || {
                    type Send<$($name,)* R> = unsafe extern "C-unwind" fn(Object, Selector, $($name),*) -> R;
                    // SAFETY: the types were compared with the method's.
                    let send: Send<$($name,)* R> = unsafe { std::mem::transmute(runtime.objc_msgSend) };
                    // SAFETY: by the caller.
                    unsafe { send(receiver, self.selector, $($name),*) }
                })
            }
        }
    };
}

messages! {}
messages! { A }
messages! { A B }
messages! { A B C }
messages! { A B C D }
messages! { A B C D E }
messages! { A B C D E F G }
messages! { A B C D E F G H I }
