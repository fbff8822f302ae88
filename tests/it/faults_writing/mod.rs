//! The faults of the writing side.

mod batch;
mod case;
mod create;
mod parts;
mod preupload;
mod put;
