//! Written by another hand: the suite of this folder.
