//! The CDN's signed URLs: `auth_key=<unix seconds>-<serial>-0-<32 hex>`, good for one object and a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::repo::now;
use crate::content::Content;
use crate::signing::ON_THE_WAY;

/// What a key opens.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// The digest the object goes by, which a misbehaving hub need not keep to.
    pub(super) sha256: String,
    pub(super) content: Content,
}

/// What a key turns out to be.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Good(Opened),
    /// Too late; and whether whoever shows it must have heard so before.
    Expired {
        told: bool,
    },
    Forged,
}

#[derive(Debug)]
struct Key {
    opened: Opened,
    expires: Instant,
    refused: Option<Instant>,
}

/// The keys given out.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<String, Key>>);

impl Keys {
    /// Makes a key for an object.
    pub(super) fn issue(&self, opened: Opened, lifetime: Duration) -> String {
        let mut keys = self.0.lock().unwrap();
        let serial = keys.len();
        let until = now() + lifetime.as_secs() as i64;
        let proof = hex::encode(&Sha256::digest(format!("{} {until} {serial}", opened.sha256))[..16]);
        let key = format!("{until}-{serial}-0-{proof}");
        keys.insert(key.clone(), Key { opened, expires: Instant::now() + lifetime, refused: None });
        key
    }

    /// Tries a key on an object.
    pub(super) fn open(&self, key: &str, sha256: &str, counts_as_expired: bool) -> Verdict {
        let mut keys = self.0.lock().unwrap();
        let Some(key) = keys.get_mut(key).filter(|key| key.opened.sha256 == sha256) else { return Verdict::Forged };
        if counts_as_expired {
            key.expires = Instant::now();
        }
        if Instant::now() < key.expires {
            return Verdict::Good(key.opened.clone());
        }
        let refused = *key.refused.get_or_insert_with(Instant::now);
        Verdict::Expired { told: refused.elapsed() > ON_THE_WAY }
    }

    /// Lets every key run out.
    pub(super) fn expire_all(&self) {
        self.0.lock().unwrap().values_mut().for_each(|key| key.expires = Instant::now());
    }
}
