use crate::safe::{Pool, Values as _};
use crate::sys::classes::{Symbol, symbols};
use crate::sys::message::Message;
use crate::sys::runtime::{Class, Object};
use crate::{AppleEngine, AppleError};

/// What the framework says of the device; `None` where this system has no such question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Whether there is an engine.
    pub has_engine: Option<bool>,
    /// Number of engines.
    pub engines: Option<u32>,
    /// Number of cores; the marketing number (ane-facts 1.3).
    pub cores: Option<u32>,
    /// Architecture, e.g. `h16g`.
    pub architecture: Option<String>,
    /// Sub-type, e.g. `h16`.
    pub sub_type: Option<String>,
    /// Name of the operating system's product.
    pub product: Option<String>,
    /// Build of the operating system.
    pub build: Option<String>,
    /// Whether this is a virtual machine.
    pub is_virtual_machine: Option<bool>,
}

/// One method of a class as the runtime has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodInfo {
    /// Its selector.
    pub selector: String,
    /// Its types.
    pub encoding: String,
}

/// The methods a class itself defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMethods {
    /// Class methods.
    pub class: Vec<MethodInfo>,
    /// Instance methods.
    pub instance: Vec<MethodInfo>,
}

impl AppleEngine {
    /// Every method this crate knows, and what the system has of it.
    pub fn symbols(&self) -> Vec<Symbol> {
        symbols(&self.api.runtime)
    }

    /// All methods of a class, known or not; `None` if there is no such class.
    pub fn methods(&self, class: &str) -> Option<ClassMethods> {
        let class = self.api.runtime.class(class)?;
        let list = |instance| {
            let methods = self.api.runtime.methods(class, instance);
            methods.into_iter().map(|(selector, encoding)| MethodInfo { selector, encoding }).collect()
        };
        Some(ClassMethods { class: list(false), instance: list(true) })
    }

    /// The text of an exported string constant, such as an option key; `None` if there is no such constant.
    ///
    /// # Errors
    /// [`AppleError::Exception`].
    pub fn constant(&self, name: &str) -> Result<Option<String>, AppleError> {
        let _pool = Pool::new(self.api);
        self.api.constant(name).map_or(Ok(None), |object| self.api.read_string(object))
    }

    /// What the framework says of the device.
    ///
    /// # Errors
    /// [`AppleError::Exception`].
    pub fn device(&self) -> Result<DeviceInfo, AppleError> {
        let _pool = Pool::new(self.api);
        let class = &self.api.classes.device;
        Ok(DeviceInfo {
            has_engine: self.ask(class.class, class.has_engine)?,
            engines: self.ask(class.class, class.engines)?,
            cores: self.ask(class.class, class.cores)?,
            architecture: self.ask_text(class.class, class.architecture)?,
            sub_type: self.ask_text(class.class, class.sub_type)?,
            product: self.ask_text(class.class, class.product)?,
            build: self.ask_text(class.class, class.build)?,
            is_virtual_machine: self.ask(class.class, class.is_virtual)?,
        })
    }

    /// The framework's own levels of quality of service, by name; `None` where this system has no such question.
    ///
    /// # Errors
    /// [`AppleError::Exception`].
    pub fn quality_of_service_levels(&self) -> Result<Vec<(&'static str, Option<u32>)>, AppleError> {
        let _pool = Pool::new(self.api);
        let class = &self.api.classes.qos;
        let levels = [
            ("background", class.background),
            ("utility", class.utility),
            ("default", class.default),
            ("user-initiated", class.user_initiated),
            ("user-interactive", class.user_interactive),
            ("real-time", class.real_time),
        ];
        levels.into_iter().map(|(name, message)| Ok((name, self.ask(class.class, message)?))).collect()
    }

    /// The driver's mask of performance counters for a mask of the framework's; `None` where this system has no such
    /// question.
    ///
    /// # Errors
    /// [`AppleError::Exception`].
    pub fn driver_statistics_mask(&self, mask: u32) -> Result<Option<u32>, AppleError> {
        let _pool = Pool::new(self.api);
        let class = &self.api.classes.statistics;
        let Some(message) = class.driver_mask else { return Ok(None) };
        // SAFETY: a class method.
        unsafe { message.send(&self.api.runtime, class.class.into(), mask) }.map(Some)
    }

    fn ask<R>(&self, class: Class, message: Option<Message<(), R>>) -> Result<Option<R>, AppleError>
    where
        R: crate::sys::encode::Encode,
    {
        let Some(message) = message else { return Ok(None) };
        // SAFETY: a class method; the message was found in the class.
        unsafe { message.send(&self.api.runtime, class.into()) }.map(Some)
    }

    fn ask_text(
        &self,
        class: Class,
        message: Option<Message<(), Object>>,
    ) -> Result<Option<String>, AppleError> {
        match self.ask(class, message)? {
            Some(object) => self.api.read_string(object),
            None => Ok(None),
        }
    }
}
