//! The topic of each code. All codes of a module have one topic; exceptions are listed.

/// The topic of a code of a room.
pub(super) fn of(room: &str, name: &str) -> &'static str {
    match (room, name) {
        ("compose", "bad_constraint" | "impossible_constraint" | "contradicting_constraints") => "placement",
        ("compose", "no_such_company" | "too_few_nodes" | "too_many_tasks") => "placement",
        ("compose", "start_first_with_host_port" | "start_first_with_address" | "idle_setting") => "updates",
        ("compose", "never_healthy" | "never_completed" | "update_of_a_job" | "rollback_of_a_rollback") => {
            "updates"
        }
        ("compose", "merged_otherwise" | "stays_empty" | "never_restarted" | "operator_without_braces") => {
            "docker"
        }
        ("compose", "password_in_stackfile") => "security",
        (
            "compose",
            "secret_as_text"
            | "bad_secret_variable"
            | "reserved_target"
            | "bad_secret_template"
            | "read_only_above"
            | "variables_too_long",
        ) => "secrets",
        ("compose", name) if name.contains("port") || name.contains("subnet") => "networks",
        ("compose", name) if name.contains("address") || name.contains("network") => "networks",
        ("compose" | "config", _) => "stackfile",
        ("inventory", "bad_notification" | "unknown_event") => "notifications",
        ("inventory", "bad_driver") => "secrets",
        ("inventory", "bad_source" | "bad_timeout") => "discovery",
        ("inventory", "bad_ledger") => "ledger",
        ("inventory" | "node", _) | ("cli", "two_inventories") => "nodes",
        ("agent", _) => "agent",
        ("image", _) => "images",
        ("cluster", "node_missing" | "other_machine" | "same_machine") => "nodes",
        ("discovery", _) | ("cluster", "hosts_unknown") => "discovery",
        ("ledger", "newer" | "unknown_part") => "stability",
        ("ledger", _) | ("cluster", "records_unknown") => "ledger",
        ("plan", "refused" | "not_current") => "updates",
        ("plan" | "saved", _) => "ci",
        ("placement", _) => "placement",
        ("network", _) => "networks",
        ("key" | "secret" | "secrets", _) => "secrets",
        ("registry", _) => "registries",
        ("volume", "unknown" | "not_removed") => "volumes",
        ("volume", _) => "placement",
        ("docker", "port_taken") => "networks",
        ("docker", name) if name.starts_with("registry") || name.starts_with("credentials") => "registries",
        ("docker", "pull_denied" | "too_many_requests") => "registries",
        ("docker", name) if name.starts_with("network") || name == "address_pool" => "networks",
        ("lease" | "history", _) => "releases",
        ("undo", _) => "undo",
        ("reconcile", "webhook_secret") | ("repository", _) => "gitops",
        ("reconcile", _) => "reconcile",
        ("hook", _) => "push",
        ("service", _) | ("usage", "rollback_alone") => "updates",
        ("cli", "not_trusted" | "trust_failed") => "security",
        ("cli", "no_such_command" | "no_such_topic") => "commands",
        ("cli", "unknown_code") => "error-codes",
        ("cli", "no_values") => "stackfile",
        // What the engine, ssh or a terminal refuses, and arguments that cannot be read.
        _ => "trouble",
    }
}
