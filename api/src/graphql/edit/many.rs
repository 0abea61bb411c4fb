//! The answer of a mutation over several rows.

/// Makes a mutation's payload of several rows. They are shown to tokens that may read such rows.
macro_rules! payload_many {
    ($name:ident { $field:ident: $node:ident of $model:ty }, $what:literal, $read:expr) => {
        #[doc = concat!("The answer of ", $what, ".")]
        pub struct $name {
            $field: Vec<$node>,
            user_errors: Vec<$crate::graphql::edit::UserError>,
        }

        #[doc = concat!("The answer of ", $what, ".")]
        #[async_graphql::Object]
        impl $name {
            /// The rows as they now are; empty when the input was refused, or when the token may write such rows but not read them. With
            /// `validateOnly` they are the rows as they would be.
            async fn $field(
                &self,
                ctx: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<&[$node]> {
                Ok(
                    if $crate::graphql::context::request(ctx)?.viewer.may($read) {
                        &self.$field
                    } else {
                        &[]
                    },
                )
            }

            /// Why the input was refused; empty on success.
            async fn user_errors(&self) -> &[$crate::graphql::edit::UserError] {
                &self.user_errors
            }
        }

        impl $name {
            pub(crate) fn from_outcome(
                outcome: $crate::graphql::edit::Outcome<Vec<$model>>,
                node: fn($crate::graphql::siblings::Member<$model>) -> $node,
            ) -> Self {
                match outcome {
                    Ok(rows) => {
                        let group = $crate::graphql::siblings::Group::new(rows);
                        let all = 0..group.rows().len();
                        Self {
                            $field: $crate::graphql::siblings::members(&group, all)
                                .map(node)
                                .collect(),
                            user_errors: Vec::new(),
                        }
                    }
                    Err(user_errors) => Self {
                        $field: Vec::new(),
                        user_errors,
                    },
                }
            }
        }
    };
}
pub(crate) use payload_many;
