/** Memory of a query: what DuckDB may hold, what the query's process may, which ends above it, and above which it answers no other. */
export const SQL_MEMORY = { database: "1GB", most: 1.5e9, worn: 0.7e9 } as const;
