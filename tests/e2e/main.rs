//! The whole service against the emulator, through real gRPC clients. Files are named by the promise they keep.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod account;
mod apart;
mod authority;
mod postgres;
mod provider;
mod raw_http2;
mod reflected;
mod shed;
mod stage;
mod world;

mod a_cancel_reaches_the_upstream;
mod a_panic_ends_one_call;
mod a_repeat_is_paid_once;
mod attempts_are_repeated;
mod aws_json_works_as_it_stands;
mod bad_requests_cost_nothing;
mod bounds_hold;

mod both_routes_answer_alike;
mod both_routes_do_everything;
mod callers_are_known;
mod calls_find_a_target;
mod connections_are_bounded;
mod content_stays_private;
mod costs_are_exact;
mod credentials_are_renewed;
mod every_clock_has_its_own_error;
mod every_cut_is_noticed;
mod every_disconnect_is_accounted_for;
mod every_error_is_typed;
mod every_member_survives;
mod every_model_converses;
mod floods_are_cut;
mod guardrails_judge;
mod models_resolve;
mod native_bodies_pass;
mod overload_is_shed;
mod regions_have_endpoints;
mod regions_may_die;
mod roles_are_assumed;
mod same_request_same_bytes;
mod settings_are_reloaded;
mod shutdown_lets_calls_end;
mod slow_readers_are_borne;
mod streams_end_truthfully;
mod tenants_have_limits;
mod tenants_have_policies;
mod the_call_report_tells;
mod the_command_line_works;
mod the_edge_speaks_grpc;
mod the_overlay_is_in_force;
mod tls_guards_the_listener;
mod tokens_are_counted;
mod tokens_name_their_tenant;
mod usage_is_told;
