//! Strings, numbers, arrays and dictionaries, made and read.

use std::ffi::{CStr, CString};

use super::object::Owned;
use crate::AppleError;
use crate::error::{Failure, Phase};
use crate::sys::Api;
use crate::sys::runtime::{Class, Object};

/// Longest array that is read; what the framework lists is bounded by its own limits.
const MAX_ITEMS: u64 = 65_536;

/// Making and reading values. Callers have an autorelease pool in place; objects read live as long as it.
pub(crate) trait Values {
    fn make_data(self, bytes: &[u8]) -> Result<Owned, AppleError>;
    fn make_string(self, text: &str) -> Result<Owned, AppleError>;
    fn make_number(self, number: u64) -> Result<Owned, AppleError>;
    fn make_array(self, items: &[Object]) -> Result<Owned, AppleError>;
    fn make_dictionary(self, pairs: &[(Object, Object)]) -> Result<Owned, AppleError>;
    /// Text of a string.
    fn read_string(self, object: Object) -> Result<Option<String>, AppleError>;
    /// Value of a number that is not negative.
    fn read_number(self, object: Object) -> Result<Option<u64>, AppleError>;
    /// Items of an array.
    fn read_array(self, object: Object) -> Result<Option<Vec<Object>>, AppleError>;
    /// Value of a key of a dictionary; `None` if there is no such key, or it is no dictionary.
    fn read_key(self, dictionary: Object, key: &str) -> Result<Option<Object>, AppleError>;
    /// Calls a method that answers with success or an error, and keeps the error.
    fn attempt(
        self,
        phase: Phase,
        send: impl FnOnce(*mut Object) -> Result<bool, AppleError>,
    ) -> Result<(), AppleError>;
}

impl Values for &'static Api {
    fn make_data(self, bytes: &[u8]) -> Result<Owned, AppleError> {
        let class = &self.classes.data;
        // SAFETY: a class method; the bytes are copied.
        let data = unsafe {
            class.with_bytes.send(
                &self.runtime,
                class.class.into(),
                bytes.as_ptr().cast(),
                bytes.len() as u64,
            )
        }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(self, data, Phase::Compile, "NSData") }
    }

    fn make_string(self, text: &str) -> Result<Owned, AppleError> {
        let class = &self.classes.string;
        let text = CString::new(text)
            .map_err(|_| AppleError::Program("a text with a zero byte cannot be passed on".to_owned()))?;
        // SAFETY: a class method; the text is terminated and copied.
        let string = unsafe { class.with_text.send(&self.runtime, class.class.into(), text.as_ptr()) }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(self, string, Phase::Compile, "NSString") }
    }

    fn make_number(self, number: u64) -> Result<Owned, AppleError> {
        let class = &self.classes.number;
        // SAFETY: a class method.
        let number = unsafe { class.with_u64.send(&self.runtime, class.class.into(), number) }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(self, number, Phase::Bind, "NSNumber") }
    }

    fn make_array(self, items: &[Object]) -> Result<Owned, AppleError> {
        let class = &self.classes.array;
        let mut items = items.to_vec();
        // SAFETY: a class method; the items are live, and are retained by the array.
        let array = unsafe {
            class.with_objects.send(&self.runtime, class.class.into(), items.as_mut_ptr(), items.len() as u64)
        }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(self, array, Phase::Bind, "NSArray") }
    }

    fn make_dictionary(self, pairs: &[(Object, Object)]) -> Result<Owned, AppleError> {
        let class = &self.classes.dictionary;
        let (mut keys, mut values): (Vec<Object>, Vec<Object>) = pairs.iter().copied().unzip();
        // SAFETY: a class method; as many keys as values, all live, retained by the dictionary.
        let dictionary = unsafe {
            class.with_objects.send(
                &self.runtime,
                class.class.into(),
                values.as_mut_ptr(),
                keys.as_mut_ptr(),
                pairs.len() as u64,
            )
        }?;
        // SAFETY: what the method returned.
        unsafe { Owned::retain(self, dictionary, Phase::Compile, "NSDictionary") }
    }

    fn read_string(self, object: Object) -> Result<Option<String>, AppleError> {
        if !self.is_kind(object, self.classes.string.class)? {
            return Ok(None);
        }
        // SAFETY: a string; the text lives as long as the pool.
        let text = unsafe { self.classes.string.text.send(&self.runtime, object) }?;
        if text.is_null() {
            return Ok(None);
        }
        // SAFETY: terminated, by the method's contract.
        Ok(Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()))
    }

    fn read_number(self, object: Object) -> Result<Option<u64>, AppleError> {
        if !self.is_kind(object, self.classes.number.class)? {
            return Ok(None);
        }
        // SAFETY: a number.
        unsafe { self.classes.number.u64.send(&self.runtime, object) }.map(Some)
    }

    fn read_array(self, object: Object) -> Result<Option<Vec<Object>>, AppleError> {
        let class = &self.classes.array;
        if !self.is_kind(object, class.class)? {
            return Ok(None);
        }
        // SAFETY: an array.
        let count = unsafe { class.count.send(&self.runtime, object) }?;
        if count > MAX_ITEMS {
            let reason = format!("a list of {count} items");
            return Err(AppleError::Unexpected { phase: Phase::Load, reason });
        }
        // SAFETY: an array, and an index within it.
        (0..count)
            .map(|i| unsafe { class.at.send(&self.runtime, object, i) })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn read_key(self, dictionary: Object, key: &str) -> Result<Option<Object>, AppleError> {
        let class = &self.classes.dictionary;
        if !self.is_kind(dictionary, class.class)? {
            return Ok(None);
        }
        let key = self.make_string(key)?;
        // SAFETY: a dictionary.
        let value = unsafe { class.get.send(&self.runtime, dictionary, key.get()) }?;
        Ok((!value.is_nil()).then_some(value))
    }

    fn attempt(
        self,
        phase: Phase,
        send: impl FnOnce(*mut Object) -> Result<bool, AppleError>,
    ) -> Result<(), AppleError> {
        let mut error = Object::NIL;
        if send(&raw mut error)? {
            return Ok(());
        }
        Err(AppleError::Framework(failure(self, phase, error)?))
    }
}

fn failure(api: &'static Api, phase: Phase, error: Object) -> Result<Failure, AppleError> {
    let class = &api.classes.error;
    if !api.is_kind(error, class.class)? {
        let text = "the framework refused and gave no reason".to_owned();
        return Ok(Failure::new(phase, String::new(), 0, text));
    }
    // SAFETY: an error.
    let (domain, code, text) = unsafe {
        (
            class.domain.send(&api.runtime, error)?,
            class.code.send(&api.runtime, error)?,
            class.description.send(&api.runtime, error)?,
        )
    };
    let domain = api.read_string(domain)?.unwrap_or_default();
    let text = api.read_string(text)?.unwrap_or_default();
    Ok(Failure::new(phase, domain, code, text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// The receiver of a class method; an error if there is no such class here.
pub(crate) fn receiver(class: Class, name: &str) -> Result<Object, AppleError> {
    match class.0.is_null() {
        true => Err(AppleError::NotAvailable(format!("there is no class `{name}`"))),
        false => Ok(class.into()),
    }
}

/// A method that only some systems have.
pub(crate) fn available<M>(message: Option<M>, selector: &str) -> Result<M, AppleError> {
    message.ok_or_else(|| AppleError::NotAvailable(format!("there is no usable method `{selector}`")))
}
