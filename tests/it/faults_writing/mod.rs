//! The faults of the writing side.

mod batch;
mod case;
mod commit;
mod create;
mod parts;
mod preupload;
mod proof;
mod put;
mod shore;
mod tokens;
