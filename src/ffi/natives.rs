//! The shells of the natives of `org.cloudbridge.openfire.Host`: bytes in, inner function, bytes out; an error or a panic becomes a
//! `HostException`.
#![allow(unsafe_code)] // Exporting a symbol is unsafe by definition; nothing else here is.

use std::cell::RefCell;

use jni::errors::ErrorPolicy;
use jni::objects::{JByteArray, JClass, JThrowable, JValue};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};

use crate::error::HostError;
use crate::host::panic_text;

impl From<jni::errors::Error> for HostError {
    fn from(error: jni::errors::Error) -> Self {
        HostError::Invalid(format!("JNI: {error}"))
    }
}

/// Throws `HostException(code, message)`.
struct Throw;

impl Throw {
    fn throw(env: &mut Env<'_>, error: &HostError) -> jni::errors::Result<()> {
        if env.exception_check() {
            return Ok(());
        }
        let message = env.new_string(error.to_string())?;
        let class = env.find_class(jni_str!("org/cloudbridge/openfire/HostException"))?;
        let arguments = [JValue::Int(error.code()), JValue::Object(&message)];
        let exception = env.new_object(class, jni_sig!("(ILjava/lang/String;)V"), &arguments)?;
        let exception = env.cast_local::<JThrowable<'_>>(exception)?;
        // Reports the exception it has just thrown as an error; that is the point.
        let _ = env.throw(exception);
        Ok(())
    }
}

impl<T: Default> ErrorPolicy<T, HostError> for Throw {
    type Captures<'frame: 'native, 'native> = ();

    fn on_error<'frame: 'native, 'native>(
        env: &mut Env<'frame>,
        _: &mut Self::Captures<'frame, 'native>,
        error: HostError,
    ) -> jni::errors::Result<T> {
        Throw::throw(env, &error).map(|()| T::default())
    }

    fn on_panic<'frame: 'native, 'native>(
        env: &mut Env<'frame>,
        _: &mut Self::Captures<'frame, 'native>,
        payload: Box<dyn std::any::Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        Throw::throw(env, &HostError::Panic(panic_text(&*payload))).map(|()| T::default())
    }
}

thread_local! {
    /// Where offered stanzas are copied to; grows to the largest that is common and stays.
    static BUFFER: RefCell<Vec<i8>> = const { RefCell::new(Vec::new()) };
}
/// A buffer larger than this is not kept.
const BUFFER_KEPT: usize = 256 << 10;

/// Runs `f` on the first `length` bytes of a Java array.
fn with_bytes<T>(
    env: &Env<'_>,
    array: &JByteArray<'_>,
    length: jint,
    f: impl FnOnce(&[u8]) -> Result<T, HostError>,
) -> Result<T, HostError> {
    let length = usize::try_from(length).map_err(|_| HostError::Invalid("a negative length".into()))?;
    let mut buffer = BUFFER.take();
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    array.get_region(env, 0, &mut buffer[..length])?;
    // SAFETY: i8 and u8 have the same size and alignment, and every bit pattern is valid for both.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length) };
    let result = f(bytes);
    if buffer.capacity() <= BUFFER_KEPT {
        BUFFER.replace(buffer);
    }
    result
}

fn all(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Vec<u8>, HostError> {
    Ok(env.convert_byte_array(array)?)
}

fn ticket(ticket: jlong) -> u64 {
    ticket.cast_unsigned()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_start<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    config: JByteArray<'a>,
) -> jlong {
    env.with_env(|env| Ok(super::start(&all(env, &config)?)?.cast_signed())).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_describe<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    query: JByteArray<'a>,
) -> JByteArray<'a> {
    env.with_env(|env| Ok(env.byte_array_from_slice(&super::describe(ticket(host), &all(env, &query)?)?)?))
        .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_offer<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    token: jlong,
    flags: jint,
    stanza: JByteArray<'a>,
    length: jint,
) -> jint {
    env.with_env(|env| {
        with_bytes(env, &stanza, length, |bytes| {
            super::offer(ticket(host), token.cast_unsigned(), flags, bytes)
        })
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_notify<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    frame: JByteArray<'a>,
) {
    env.with_env(|env| super::notify(ticket(host), &all(env, &frame)?)).resolve::<Throw>();
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_take<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    wait_millis: jint,
) -> JByteArray<'a> {
    env.with_env(|env| match super::take(ticket(host), wait_millis)? {
        Some(frame) => Ok(env.byte_array_from_slice(&frame)?),
        None => Ok(JByteArray::null()),
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_ask<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    frame: JByteArray<'a>,
) -> JByteArray<'a> {
    env.with_env(|env| Ok(env.byte_array_from_slice(&super::ask(ticket(host), &all(env, &frame)?)?)?))
        .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_org_cloudbridge_openfire_Host_stop<'a>(
    mut env: EnvUnowned<'a>,
    _: JClass<'a>,
    host: jlong,
    drain_millis: jint,
) {
    env.with_env(|_| super::stop(ticket(host), drain_millis)).resolve::<Throw>();
}
