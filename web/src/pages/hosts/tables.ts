// The tables of a host's page.
export { default as ContainersTable } from './ContainersTable.svelte';
export { default as FactsList } from './FactsList.svelte';
export { default as MountsTable } from './MountsTable.svelte';
export { default as NetworkTable } from './NetworkTable.svelte';
export { default as ProcessesTable } from './ProcessesTable.svelte';
export { default as UnitsTable } from './UnitsTable.svelte';
