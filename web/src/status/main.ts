// The public page of a status: for customers, so it is small, needs no login, and carries nothing of the rest.
import { mount } from 'svelte';
import '../app.css';
import StatusPage from './StatusPage.svelte';

document.body.dataset['page'] = 'status';
mount(StatusPage, { target: document.getElementById('status')! });
