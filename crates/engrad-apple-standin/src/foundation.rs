//! Foundation's values.

use std::ffi::{CStr, CString, c_char, c_void};

use crate::class::{Class, Definition, Sel, m0, m1, m2, m3};
use crate::control;
use crate::exceptions::throw;
use crate::object::{self, Id, NIL, Ref, argument, autorelease};

#[derive(Debug)]
pub(crate) struct Data(pub(crate) Vec<u8>);

#[derive(Debug)]
pub(crate) struct Text(pub(crate) CString);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("")
    }
}

#[derive(Debug)]
pub(crate) struct Number(pub(crate) i128);

#[derive(Debug)]
pub(crate) struct Array(pub(crate) Vec<Ref>);

#[derive(Debug)]
pub(crate) struct Dictionary(pub(crate) Vec<(Ref, Ref)>);

impl Dictionary {
    pub(crate) fn get(&self, key: &str) -> Option<Id> {
        let is_key = |object: Id| object::payload::<Text>(object).is_some_and(|t| t.as_str() == key);
        self.0.iter().find(|(k, _)| is_key(k.get())).map(|(_, v)| v.get())
    }
}

#[derive(Debug)]
struct ErrorInfo {
    domain: &'static str,
    code: i64,
    text: String,
}

pub(crate) fn string(text: &str) -> Id {
    object::new("NSString", Text(CString::new(text).unwrap_or_default()))
}

pub(crate) fn number(value: u64) -> Id {
    object::new("NSNumber", Number(i128::from(value)))
}

pub(crate) fn array(items: Vec<Ref>) -> Id {
    object::new("NSArray", Array(items))
}

/// A dictionary of keys and objects whose references it takes over.
pub(crate) fn dictionary(pairs: Vec<(&str, Id)>) -> Id {
    let pairs = pairs.into_iter().map(|(key, value)| (Ref::adopt(string(key)), Ref::adopt(value)));
    object::new("NSDictionary", Dictionary(pairs.collect()))
}

/// Leaves an error, autoreleased, where a method was told to; `false` for the method to return.
pub(crate) fn refuse(place: *mut Id, domain: &'static str, code: i64, text: &str) -> bool {
    if !place.is_null() {
        let error = object::new("NSError", ErrorInfo { domain, code, text: text.to_owned() });
        // SAFETY: a place for a reference, by the methods' contract.
        unsafe { *place = autorelease(error) };
    }
    false
}

fn items(objects: *const Id, count: u64, what: &str) -> Vec<Ref> {
    if count > 0 && objects.is_null() {
        throw("NSInvalidArgumentException", &format!("{what}: no objects"));
    }
    let take = |position: u64| {
        // SAFETY: `count` references, by the methods' contract.
        let object = unsafe { *objects.add(position as usize) };
        if object.is_null() || !object::is_live(object) {
            let reason = format!("{what}: object {position} is {}", object::class_name(object));
            control::violation(reason.clone());
            throw("NSInvalidArgumentException", &reason);
        }
        Ref::retain(object)
    };
    (0..count).map(take).collect()
}

mod code {
    use super::*;

    pub(super) extern "C-unwind" fn is_kind_of(this: Id, _: Sel, class: *const Class) -> bool {
        // SAFETY: the receiver of a message is live; classes never end.
        unsafe { (*this).isa.as_ref() }.is_some_and(|own| own.is_kind_of(class))
    }

    pub(super) extern "C-unwind" fn description(this: Id, _: Sel) -> Id {
        autorelease(string(&object::class_name(this)))
    }

    pub(super) extern "C-unwind" fn responds(this: Id, _: Sel, name: Id) -> bool {
        // The selector of this method would be a plain argument; tests ask by name.
        let name = argument::<Text>(name, "a selector's name");
        // SAFETY: the receiver of a message is live; classes never end.
        let class = unsafe { (*this).isa.as_ref() };
        class.is_some_and(|c| c.method(crate::class::intern(&name.0)).is_some())
    }

    pub(super) extern "C-unwind" fn data(_: Id, _: Sel, bytes: *const c_void, length: u64) -> Id {
        if control::fault("nil-data") {
            return NIL;
        }
        let bytes = match length {
            0 => Vec::new(),
            // SAFETY: that many bytes, by the method's contract.
            _ => unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize) }.to_vec(),
        };
        autorelease(object::new("NSData", Data(bytes)))
    }

    pub(super) extern "C-unwind" fn data_length(this: Id, _: Sel) -> u64 {
        argument::<Data>(this, "the data").0.len() as u64
    }

    pub(super) extern "C-unwind" fn data_bytes(this: Id, _: Sel) -> *const c_void {
        argument::<Data>(this, "the data").0.as_ptr().cast()
    }

    pub(super) extern "C-unwind" fn text(_: Id, _: Sel, text: *const c_char) -> Id {
        if text.is_null() {
            throw("NSInvalidArgumentException", "stringWithUTF8String: of null");
        }
        // SAFETY: terminated, by the method's contract.
        let text = unsafe { CStr::from_ptr(text) };
        match text.to_str() {
            Ok(_) => autorelease(object::new("NSString", Text(text.to_owned()))),
            Err(_) => NIL,
        }
    }

    pub(super) extern "C-unwind" fn utf8(this: Id, _: Sel) -> *const c_char {
        argument::<Text>(this, "the string").0.as_ptr()
    }

    pub(super) extern "C-unwind" fn number_with_u64(_: Id, _: Sel, value: u64) -> Id {
        autorelease(number(value))
    }

    pub(super) extern "C-unwind" fn u64_value(this: Id, _: Sel) -> u64 {
        argument::<Number>(this, "the number").0 as u64
    }

    pub(super) extern "C-unwind" fn i64_value(this: Id, _: Sel) -> i64 {
        argument::<Number>(this, "the number").0 as i64
    }

    pub(super) extern "C-unwind" fn array_with(_: Id, _: Sel, objects: *const Id, count: u64) -> Id {
        autorelease(array(items(objects, count, "arrayWithObjects:count:")))
    }

    pub(super) extern "C-unwind" fn array_count(this: Id, _: Sel) -> u64 {
        argument::<Array>(this, "the array").0.len() as u64
    }

    pub(super) extern "C-unwind" fn array_at(this: Id, _: Sel, index: u64) -> Id {
        match argument::<Array>(this, "the array").0.get(index as usize) {
            Some(item) => item.get(),
            None => throw("NSRangeException", &format!("index {index} beyond bounds")),
        }
    }

    pub(super) extern "C-unwind" fn dictionary_with(
        _: Id,
        _: Sel,
        objects: *const Id,
        keys: *const Id,
        count: u64,
    ) -> Id {
        let what = "dictionaryWithObjects:forKeys:count:";
        let (objects, keys) = (items(objects, count, what), items(keys, count, what));
        for key in &keys {
            argument::<Text>(key.get(), "a dictionary's key");
        }
        autorelease(object::new("NSDictionary", Dictionary(keys.into_iter().zip(objects).collect())))
    }

    pub(super) extern "C-unwind" fn dictionary_get(this: Id, _: Sel, key: Id) -> Id {
        let key = argument::<Text>(key, "the key").as_str();
        argument::<Dictionary>(this, "the dictionary").get(key).unwrap_or(NIL)
    }

    pub(super) extern "C-unwind" fn dictionary_keys(this: Id, _: Sel) -> Id {
        let pairs = &argument::<Dictionary>(this, "the dictionary").0;
        autorelease(array(pairs.iter().map(|(key, _)| key.clone()).collect()))
    }

    pub(super) extern "C-unwind" fn dictionary_count(this: Id, _: Sel) -> u64 {
        argument::<Dictionary>(this, "the dictionary").0.len() as u64
    }

    pub(super) extern "C-unwind" fn domain(this: Id, _: Sel) -> Id {
        autorelease(string(argument::<ErrorInfo>(this, "the error").domain))
    }

    pub(super) extern "C-unwind" fn error_code(this: Id, _: Sel) -> i64 {
        argument::<ErrorInfo>(this, "the error").code
    }

    pub(super) extern "C-unwind" fn error_text(this: Id, _: Sel) -> Id {
        autorelease(string(&argument::<ErrorInfo>(this, "the error").text))
    }
}

/// The root class comes first.
pub(crate) fn classes() -> Vec<Definition> {
    vec![
        Definition {
            name: "NSObject",
            class_methods: vec![m1("instancesRespondToName:", "B24@0:8@16", code::responds)],
            instance_methods: vec![
                m1("isKindOfClass:", "B24@0:8#16", code::is_kind_of),
                m0("description", "@16@0:8", code::description),
            ],
        },
        Definition {
            name: "NSData",
            class_methods: vec![m2("dataWithBytes:length:", "@32@0:8r^v16Q24", code::data)],
            instance_methods: vec![
                m0("length", "Q16@0:8", code::data_length),
                m0("bytes", "r^v16@0:8", code::data_bytes),
            ],
        },
        Definition {
            name: "NSString",
            class_methods: vec![m1("stringWithUTF8String:", "@24@0:8r*16", code::text)],
            instance_methods: vec![m0("UTF8String", "r*16@0:8", code::utf8)],
        },
        Definition {
            name: "NSNumber",
            class_methods: vec![m1("numberWithUnsignedLongLong:", "@24@0:8Q16", code::number_with_u64)],
            instance_methods: vec![
                m0("unsignedLongLongValue", "Q16@0:8", code::u64_value),
                m0("longLongValue", "q16@0:8", code::i64_value),
            ],
        },
        Definition {
            name: "NSArray",
            class_methods: vec![m2("arrayWithObjects:count:", "@32@0:8r^@16Q24", code::array_with)],
            instance_methods: vec![
                m0("count", "Q16@0:8", code::array_count),
                m1("objectAtIndex:", "@24@0:8Q16", code::array_at),
            ],
        },
        Definition {
            name: "NSDictionary",
            class_methods: vec![m3(
                "dictionaryWithObjects:forKeys:count:",
                "@40@0:8r^@16r^@24Q32",
                code::dictionary_with,
            )],
            instance_methods: vec![
                m1("objectForKey:", "@24@0:8@16", code::dictionary_get),
                m0("allKeys", "@16@0:8", code::dictionary_keys),
                m0("count", "Q16@0:8", code::dictionary_count),
            ],
        },
        Definition {
            name: "NSError",
            class_methods: Vec::new(),
            instance_methods: vec![
                m0("domain", "@16@0:8", code::domain),
                m0("code", "q16@0:8", code::error_code),
                m0("localizedDescription", "@16@0:8", code::error_text),
            ],
        },
    ]
}

/// The framework and its clients agree on the place of temporary files.
#[unsafe(no_mangle)]
extern "C-unwind" fn NSTemporaryDirectory() -> Id {
    autorelease(string(&std::env::temp_dir().to_string_lossy()))
}
